"""The stages chained in one process: records in, committed windows and transitions out.

This is what runs without Kafka, and what a replay runs: the same stage objects as the roles
that talk through Kafka, with the readings handed over instead of written to a log. The place of
each origin and how far its event time has come are part of the commit that they led to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from alerts.store import Behind, Fence, Fenced, Put, StoreUnavailable, WatchStore
from alerts.transition import Transition
from alerts.watch import Changes, PartitionWatch
from classifier.reading import Mark, Reading
from classifier.stage import Batch, ClassifyStage
from ingest.lateness import OriginClock
from ingest.record import Origin, Record

PARTITION = 0
_PLACES = "places"

Pack = Callable[[Transition], bytes]
Wait = Callable[[str], None]


class Place(msgspec.Struct, frozen=True):
    """How far an origin has been taken: its newest record, and its greatest event time (ms)."""

    offset: int
    greatest: int | None


@dataclass(frozen=True)
class Step:
    """What came of some records; everything in it is committed."""

    batch: Batch
    transitions: list[Transition]
    repeated: int = 0


class Chain:
    """Classify and watch in one. For one thread; ``open`` before anything else.

    ``pack`` makes the outbox line of a transition. ``wait`` is called with a reason while the
    store does not answer; it returns when the commit shall be tried again, or raises.
    """

    def __init__(
        self,
        stage: ClassifyStage,
        clock: OriginClock,
        make_watch: Callable[[], PartitionWatch],
        store: WatchStore,
        pack: Pack,
        wait: Wait,
    ) -> None:
        self._stage = stage
        self._clock = clock
        self._make_watch = make_watch
        self._store = store
        self._pack = pack
        self._wait = wait
        self._watch = make_watch()
        self._fence = Fence(0, 0)
        self.places: dict[str, Place] = {}

    def open(self) -> None:
        """Take the partition over and load what was committed. May raise StoreUnavailable."""
        self._fence = self._store.claim(PARTITION)
        self._watch = self._make_watch()
        self._watch.restore(self._store, PARTITION)
        value = self._store.value(PARTITION, _PLACES)
        self.places = msgspec.json.decode(value, type=dict[str, Place]) if value else {}
        for origin, place in self.places.items():
            self._clock.restore(origin, place.greatest)

    @property
    def firing(self) -> int:
        """How many alerts have not ended."""
        return len(self._watch.firing)

    @property
    def event_time(self) -> int | None:
        """Up to where every bucket is closed (ms)."""
        return self._watch.event_time

    def classify(self, records: list[Record], now: int, origins: tuple[str, ...]) -> Batch:
        """The first half of a step: nothing is committed yet."""
        return self._stage.process(records, now, origins)

    def commit(self, records: Sequence[Record], batch: Batch) -> Step:
        """The second half. Raises Fenced or Behind: then ``open`` again and begin anew."""
        places = dict(self.places)
        for record in records:
            name = str(record.origin)
            places[name] = Place(record.offset, self._clock.greatest(name))
        changes = self._process([*batch.readings, *batch.marks], places)
        return Step(batch, changes.transitions, changes.duplicates)

    def mark(self, marks: list[Mark]) -> list[Transition]:
        """Let event time move on by evidence alone: origins that hold nothing more."""
        return self._process(marks, self.places).transitions

    def _process(self, entries: Sequence[Reading | Mark], places: dict[str, Place]) -> Changes:
        first = self._fence.offset
        if entries:
            changes = self._watch.process(list(enumerate(entries, first)))
        else:  # refused records only: their places still move on
            changes = Changes([], [], first + 1, 0, 0, 0)
        writes = list(changes.writes)
        if places != self.places:
            writes.append(Put(_PLACES, msgspec.json.encode(places)))
        outbox = [self._pack(transition) for transition in changes.transitions]
        while writes or outbox:
            try:
                self._fence = self._store.commit(
                    PARTITION, self._fence, changes.next_offset, writes, outbox
                )
                break
            except StoreUnavailable as problem:
                self._wait(f"the store does not answer ({problem})")
        self.places = places
        return changes


def end_marks(origins: Sequence[Origin | str], clock: OriginClock, now: int) -> list[Mark]:
    """One mark for each origin of a source that has been read to its end."""
    names = tuple(str(origin) for origin in origins)
    return [Mark(name, clock.greatest(name), names, now, True, 0) for name in names]


__all__ = ["Behind", "Chain", "Fenced", "Place", "Step", "end_marks"]
