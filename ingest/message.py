"""A document as a message again: what our own ingest role puts into a topic."""

import msgspec

from ingest.document import Document
from ingest.event_time import iso


def to_message(document: Document) -> bytes:
    """The message that ``parse`` reads as ``document``, whoever sent it.

    It bears the author's pseudonym and not the name, so that no name is ever stored.
    """
    content: dict[str, object] = {
        "id": document.id,
        "title": document.title,
        "body": document.body,
        "kind": document.kind,
        "source": document.source,
        "published_at": iso(document.event_time),
        "author_pseudonym": document.author,
        "url": document.url,
        "lang": document.lang,
        "symbols": document.symbols,
        "subject": document.subject,
    }
    return msgspec.json.encode({name: value for name, value in content.items() if value})
