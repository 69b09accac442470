"""Which series a classified document belongs to."""

from typing import Literal, get_args

from ingest.document import Document

SeriesBy = Literal["topic", "symbol", "source", "subject", "all"]

SERIES_BY: tuple[SeriesBy, ...] = get_args(SeriesBy)


def series_of(document: Document, topic: str, by: SeriesBy) -> list[str]:
    """The names of the document's series of one kind: "topic:IPO", "symbol:AAPL", "all"."""
    if by == "topic":
        return [f"topic:{topic}"]
    if by == "symbol":
        return [f"symbol:{symbol}" for symbol in document.symbols]
    if by == "source":
        return [f"source:{document.source}"]
    if by == "subject":
        return [f"subject:{document.subject}"] if document.subject else []
    return ["all"]
