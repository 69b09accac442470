"""What a transition is while it waits to be delivered: its alert line and all that goes with it.

The alert line is the same in live and replay. What differs (offsets, whether it is a replay)
travels beside it, as provenance.
"""

from collections.abc import Mapping

import msgspec

from alerts.line import as_dict, iso
from alerts.transition import Transition


class Parcel(msgspec.Struct, frozen=True):
    """A packed transition. ``timestamp`` is its event time, ISO 8601."""

    id: str
    type: str
    timestamp: str
    line: msgspec.Raw
    documents: msgspec.Raw
    provenance: msgspec.Raw


class _Id(msgspec.Struct):
    id: str


_unpack = msgspec.json.Decoder(Parcel).decode
_read_id = msgspec.json.Decoder(_Id).decode


def pack(transition: Transition, provenance: Mapping[str, object]) -> bytes:
    """A transition as one line for the outbox."""
    documents = [
        {
            "id": document.document_id,
            "published_at": iso(document.event_time),
            "negative_probability": document.negative_probability,
            "title": document.title,
            "source": document.source,
            "url": document.url,
        }
        for document in transition.documents
    ]
    return msgspec.json.encode(
        {
            "id": transition.id,
            "type": f"alert.{transition.type}",
            "timestamp": iso(transition.event_time),
            "line": as_dict(transition),
            "documents": documents,
            "provenance": provenance,
        }
    )


def unpack(body: bytes) -> Parcel:
    """What ``pack`` made."""
    return _unpack(body)


def transition_id(body: bytes) -> str:
    """The id alone."""
    return _read_id(body).id
