"""How the state of a partition lies in the store: names of keys, and bytes.

=================== ====== ==============================================================
``partition``       string the watermark
``series``          hash   series: its core, small and of fixed size but for open buckets
``closed:SERIES``   hash   bucket start: the closed bucket, for as long as a window holds it
``open:SERIES:START`` string the entries of an open bucket, appended batch by batch
=================== ====== ==============================================================
"""

from collections.abc import Iterator, Sequence

import msgspec

from alerts.baseline import Baseline
from alerts.bucket import Bucket, Entry
from alerts.episode import Episode
from alerts.watermark import Watermark

PARTITION = "partition"
SERIES = "series"

_LENGTH_BYTES = 4


class Core(msgspec.Struct, frozen=True, array_like=True):
    """What a series is besides its buckets.

    ``closed_to`` is the end of the last bucket that was closed or passed over (ms); ``open``
    are the starts of its open buckets; ``closed`` counts the closed ones that are kept.
    """

    baseline: Baseline | None
    closed_to: int
    closed: int
    open: tuple[int, ...]
    episode: Episode | None


encode = msgspec.msgpack.Encoder().encode
decode_core = msgspec.msgpack.Decoder(Core).decode
decode_bucket = msgspec.msgpack.Decoder(Bucket).decode
decode_watermark = msgspec.msgpack.Decoder(Watermark).decode
_decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode


def closed_key(series: str) -> str:
    """The hash of a series' closed buckets."""
    return f"closed:{series}"


def open_key(series: str, start: int) -> str:
    """The string of an open bucket's entries."""
    return f"open:{series}:{start}"


def frame(entries: Sequence[Entry]) -> bytes:
    """Entries as they are appended: their length in four bytes, then msgpack."""
    body = encode(entries)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def unframe(value: bytes) -> Iterator[Entry]:
    """All entries that were appended to ``value``."""
    place = 0
    while place < len(value):
        begin = place + _LENGTH_BYTES
        place = begin + int.from_bytes(value[place:begin], "big")
        yield from _decode_entries(value[begin:place])
