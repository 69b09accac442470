"""How far event time is complete, from the marks in the log.

A minimum over all origins; one that holds nothing more counts as read up to whatever the others
had been read to before that was known. See docs/decisions/0001.
"""

import msgspec

from alerts.rules import WatchConfig
from classifier.reading import Mark


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one origin. Event times and ``seen_at`` are in milliseconds.

    ``effective`` is how far it counts as read; ``newest`` the greatest event time of its own
    documents, known since ``seen_at``; ``idle_ms`` is None while it may hold more.
    """

    effective: int | None = None
    newest: int | None = None
    seen_at: int = 0
    idle_ms: int | None = None


class Watermark(msgspec.Struct, frozen=True, array_like=True):
    """The origins' progress, and the time up to which every bucket is complete."""

    origins: dict[str, Progress] = {}
    time: int | None = None


def advance(watermark: Watermark, mark: Mark, config: WatchConfig) -> Watermark:
    """The watermark after ``mark``. Its time never goes back."""
    origins = dict(watermark.origins)
    for name in mark.origins:
        origins.setdefault(name, Progress())
    before = origins.get(mark.origin, Progress())
    newest = _later(before.newest, mark.event_time)
    effective = _later(before.effective, newest)
    if mark.caught_up:
        for other in origins.values():
            if other.newest is not None and other.seen_at <= mark.seen_at:
                effective = _later(effective, other.newest)
        origins[mark.origin] = Progress(effective, newest, before.seen_at, mark.idle_ms)
    else:
        origins[mark.origin] = Progress(effective, newest, mark.seen_at)
    time = _later(watermark.time, _complete_to(origins, config))
    return Watermark(origins, time)


def _complete_to(origins: dict[str, Progress], config: WatchConfig) -> int | None:
    reached = [progress.effective for progress in origins.values()]
    known = [time for time in reached if time is not None]
    idle = [p.idle_ms for p in origins.values() if p.idle_ms is not None]
    if known and len(idle) == len(origins):
        return _quiet(max(known), idle, config)
    if len(known) < len(reached):
        return None
    return min(known) - config.allowed_lateness_ms


def _quiet(newest: int, idle: list[int], config: WatchConfig) -> int:
    """Event time where no origin holds more: it flows on, from the newest document.

    An ``idle_ms`` of 0 everywhere says that the stream has ended. A stream that merely pauses
    may go on within the same bucket, which is therefore not closed before it has settled.
    """
    flowed = newest + min(idle) - config.allowed_lateness_ms
    if max(idle) == 0 or min(idle) >= config.settle_ms:
        return max(flowed, config.bucket_of(newest) + config.bucket_ms)
    return flowed


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
