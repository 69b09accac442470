"""Running a record of the past through the same stages, at any speed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from alerts.transition import Transition
from barograph.chain import Chain, Step, end_marks
from barograph.summary import Tally
from classifier.reading import Reading
from ingest.lateness import OriginClock
from ingest.parse import Malformed, Policy, parse
from ingest.record import DeadLetter, Record

Seconds = Callable[[], float]


@dataclass(frozen=True)
class Watchers:
    """Who is told of what during a replay, besides the tally."""

    readings: Callable[[list[Reading]], None] = lambda _readings: None
    transitions: Callable[[list[Transition]], None] = lambda _transitions: None
    dead_letters: Callable[[list[DeadLetter]], None] = lambda _letters: None
    progress: Callable[[int], None] = lambda _count: None


def run_replay(
    batches: Iterable[list[Record]],
    chain: Chain,
    clock: OriginClock,
    origins: tuple[str, ...],
    watchers: Watchers,
    wall: Callable[[], int],
    stopped: Callable[[], bool],
) -> Tally:
    """Take all batches, then close what is open. Returns early, whole, when ``stopped()``."""
    tally = Tally()
    for records in batches:
        if stopped():
            break
        batch = chain.classify(records, wall(), origins)
        step = chain.commit(records, batch)
        tally.add(step)
        _tell(watchers, step, len(records))
    else:
        transitions = chain.mark(end_marks(origins, clock, wall()))
        tally.take(transitions)
        watchers.transitions(transitions)
    return tally


def _tell(watchers: Watchers, step: Step, count: int) -> None:
    watchers.readings(step.batch.readings)
    watchers.transitions(step.transitions)
    watchers.dead_letters(step.batch.dead_letters)
    watchers.progress(count)


def batched(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """Lists of up to ``size`` records, in order."""
    waiting = iter(records)
    while batch := list(islice(waiting, size)):
        yield batch


def paced(
    records: Iterable[Record],
    size: int,
    speed: float,
    policy: Policy,
    now: int,
    monotonic: Seconds = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Record]]:
    """As ``batched``, but each record comes when it would have: ``speed`` 60 is a minute a second.

    A batch holds what is due by now. A record that cannot be read comes with its predecessor.
    """
    began: float | None = None
    first = due = 0
    batch: list[Record] = []
    for record in records:
        moment = _event_time(record, policy, now)
        if moment is not None:
            if began is None:
                began, first = monotonic(), moment
            due = max(due, moment - first)
        wait = 0.0 if began is None else began + due / 1000 / speed - monotonic()
        if batch and (wait > 0 or len(batch) >= size):
            yield batch
            batch = []
        if wait > 0 and began is not None:
            # Taken again: the consumer has needed some of the time.
            sleep(max(0.0, began + due / 1000 / speed - monotonic()))
        batch.append(record)
    if batch:
        yield batch


def parse_speed(text: str) -> float | None:
    """None for "max", 60.0 for "60x". Raises ValueError."""
    if text == "max":
        return None
    number = float(text.removesuffix("x"))
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _event_time(record: Record, policy: Policy, now: int) -> int | None:
    try:
        return parse(record, policy, now).event_time
    except Malformed:
        return None
