"""What the classify stage writes to the log: readings, and marks of how far event time is known.

Both travel as JSON on the readings topic. A reading goes to its series' partition; a mark goes
to every partition, behind the readings that it vouches for.
"""

import zlib

import msgspec


class Reading(msgspec.Struct, frozen=True, tag="reading", tag_field="type", omit_defaults=True):
    """One classified document in one series.

    ``event_time`` is in milliseconds since 1970 (UTC). The probabilities are in the order of
    ``classifier.labels.TOPICS`` and ``SENTIMENTS``, rounded to four decimals. ``story`` is
    equal for copies of one text. ``late`` says that the document came later than the allowed
    lateness behind its own origin and must not be counted. ``seen_at`` is processing time: it
    is for measuring delay only and no decision may read it.
    """

    series: str
    document_id: str
    event_time: int
    topic: str
    sentiment: str
    topic_probabilities: tuple[float, ...]
    sentiment_probabilities: tuple[float, ...]
    model_version: str
    story: str
    title: str = ""
    source: str = ""
    kind: str = "news"
    author: str | None = None
    url: str | None = None
    late: bool = False
    origin: str = ""
    offset: int = 0
    seen_at: int = 0


class Mark(msgspec.Struct, frozen=True, tag="mark", tag_field="type", omit_defaults=True):
    """How far one origin has been read, in event time.

    ``event_time`` is the greatest event time seen in ``origin`` so far (None: no document
    yet). ``origins`` names every origin of the whole stream, so that nobody runs ahead of one
    that has not spoken. ``seen_at`` is the wall clock (ms) when the records were polled or,
    where ``caught_up``, when the origin was last known to hold nothing more; ``idle_ms`` is
    for how long it has been so.
    """

    origin: str
    event_time: int | None
    origins: tuple[str, ...]
    seen_at: int
    caught_up: bool = False
    idle_ms: int = 0


Entry = Reading | Mark

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Entry).decode


def partition_of(series: str, partitions: int) -> int:
    """The readings partition that owns ``series``: the same on every machine and run."""
    return zlib.crc32(series.encode()) % partitions
