"""Makes readings and logs of them, and runs a log through the watch stage."""

from collections.abc import Iterable, Sequence

from alerts.line import alert_line
from alerts.rules import HOUR, MINUTE, WatchConfig
from alerts.transition import Transition
from alerts.watch import PartitionWatch
from classifier.reading import Entry, Mark, Reading
from tests.watch.contract.memory import DictStore

START = 1_600_000_020_000 - 1_600_000_020_000 % HOUR
NO_TOPIC = (0.05,) * 20


def reading(
    at: int,
    number: int,
    negative: bool = False,
    series: str = "all",
    story: str | None = None,
    late: bool = False,
    probability: float = 0.9,
    source: str = "wire",
) -> Reading:
    """A reading ``at`` ms after START."""
    rest = round(1 - probability, 4)
    return Reading(
        series=series,
        document_id=f"d{number}",
        event_time=START + at,
        topic="Markets",
        sentiment="negative" if negative else "neutral",
        topic_probabilities=NO_TOPIC,
        sentiment_probabilities=(probability, rest, 0.0) if negative else (rest, probability, 0.0),
        model_version="v1",
        story=f"{number:016x}" if story is None else story,
        title=f"Title {number}",
        source=source,
        late=late,
    )


def mark(at: int | None, origin: str = "news/0", origins: Sequence[str] = ("news/0",)) -> Mark:
    time = None if at is None else START + at
    return Mark(origin, time, tuple(origins), seen_at=0)


def ended(origin: str = "news/0", origins: Sequence[str] = ("news/0",), at: int = 1) -> Mark:
    return Mark(origin, None, tuple(origins), seen_at=at, caught_up=True)


def run(
    log: Iterable[Entry], config: WatchConfig | None = None, batch: int = 50
) -> list[Transition]:
    """The transitions of a log, all in one process."""
    entries = list(enumerate(log))
    watch = PartitionWatch(config or WatchConfig())
    transitions: list[Transition] = []
    for first in range(0, len(entries), batch):
        transitions += watch.process(entries[first : first + batch]).transitions
    return transitions


def run_with_restarts(
    log: Sequence[Entry], cuts: Sequence[tuple[int, bool]], config: WatchConfig
) -> tuple[list[bytes], DictStore]:
    """Sorted alert lines of a log cut into batches of these lengths, in turn.

    A cut with True is followed by a new owner, which knows only what was committed.
    """
    store, entries = DictStore(), list(enumerate(log))
    watch, fence = PartitionWatch(config), store.claim(0)
    place = turn = 0
    while place < len(entries):
        length, restart = cuts[turn % len(cuts)] if cuts else (len(entries), False)
        turn += 1
        changes = watch.process(entries[place : place + length])
        lines = [alert_line(transition) for transition in changes.transitions]
        fence = store.commit(0, fence, changes.next_offset, changes.writes, lines)
        place = changes.next_offset
        if restart:
            watch, fence = PartitionWatch(config), store.claim(0)
            watch.restore(store, 0)
            assert fence.offset == place
    return sorted(store.outbox), store


def steady(
    hours: float, every: int = 2 * MINUTE, negative_in: int = 6, start: int = 0, first: int = 0
) -> list[Reading]:
    """A calm stream: one story ``every`` ms, one in ``negative_in`` of them negative."""
    count = int(hours * HOUR / every)
    return [
        reading(start + i * every, first + i, negative=i % negative_in == negative_in - 1)
        for i in range(count)
    ]


def with_marks(readings: Iterable[Reading], every: int = 20) -> list[Entry]:
    """A log of one origin, with a mark behind ``every`` readings, and its end."""
    log: list[Entry] = []
    newest = 0
    for i, one in enumerate(sorted(readings, key=lambda r: r.event_time), 1):
        log.append(one)
        newest = max(newest, one.event_time)
        if i % every == 0:
            log.append(Mark("news/0", newest, ("news/0",), 0))
    log.append(Mark("news/0", newest, ("news/0",), 1))
    log.append(ended(at=2))
    return log
