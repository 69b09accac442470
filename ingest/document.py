"""A document: one piece of news or one comment, cleaned, with an identity and an event time."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["news", "comment"]


@dataclass(frozen=True, slots=True)
class Document:
    """What the later stages know of a text.

    ``event_time`` is when it was published, in milliseconds since 1970 (UTC); ``author`` is a
    keyed hash, never a name; ``symbols`` are upper-case tickers without "$".
    """

    id: str
    title: str
    body: str
    kind: Kind
    source: str
    event_time: int
    author: str | None = None
    url: str | None = None
    lang: str | None = None
    symbols: tuple[str, ...] = ()
    subject: str | None = None
