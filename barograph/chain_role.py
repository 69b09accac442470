"""The role of a process without Kafka: takes parcels from the inbox through all stages."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from alerts.store import Behind, Fenced, StoreUnavailable
from alerts.transition import Transition
from barograph.chain import Chain, Wait
from barograph.intake import HTTP, Busy, Inbox, Parcel
from barograph.logs import Logger, log_alert
from barograph.supervisor import Fatal, Pulse, Trouble
from classifier.reading import Mark
from classifier.stage import Batch
from ingest.dead_letters import DeadLetterFile, ShareLimit, TooManyDeadLetters
from ingest.lateness import OriginClock
from ingest.meter import Meter
from ingest.record import Record

_QUIET_EVERY_MS = 1_000
_LONG_QUIET_MS = 15 * 60_000


@dataclass
class ChainRole:
    """Classify and watch, without a log between them.

    ``make_chain`` takes a function that waits while the store is away, and the origins' clock.
    """

    inbox: Inbox
    make_chain: Callable[[Wait, OriginClock], Chain]
    make_clock: Callable[[], OriginClock]
    dead_letters: DeadLetterFile
    limit: ShareLimit
    meter: Meter
    log: Logger
    wall: Callable[[], int]
    batch_size: int
    linger: float
    name: str = "pipeline"
    _active: dict[str, int] = field(default_factory=dict)
    _spoke_at: int = 0

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Work until told to stop; what is committed survives, what is not is told to be so."""

        def wait(reason: str) -> None:
            pulse.complain(reason)
            if stop.wait(0.5):
                raise Trouble(reason)

        clock = self.make_clock()
        chain = self.make_chain(wait, clock)
        try:
            chain.open()
            self._started(chain)
            while not stop.is_set():
                pulse.beat()
                parcels = self.inbox.collect(self.batch_size, 0.25, self.linger)
                if parcels:
                    self._work(chain, parcels)
                self._quiet(chain, clock)
        except StoreUnavailable as problem:
            raise Trouble(f"the store does not answer ({problem})") from problem
        except (Fenced, Behind) as problem:
            raise Trouble(f"the store has moved on without this process ({problem})") from problem
        finally:
            self.inbox.refuse_all("the program is stopping or recovering")

    def _started(self, chain: Chain) -> None:
        now = self.wall()
        self._active = dict.fromkeys(self._origins(chain), now)
        self.log.info("pipeline ready", series_firing=chain.firing, origins=len(self._active))

    def _origins(self, chain: Chain) -> tuple[str, ...]:
        # Those of earlier runs too: the watermark waits for each that it has ever heard of.
        known = dict.fromkeys(chain.places)
        known.update(dict.fromkeys(map(str, self.inbox.origins)))
        return tuple(known)

    def _work(self, chain: Chain, parcels: list[Parcel]) -> None:
        now = self.wall()
        try:
            records = self._records(chain, parcels)
            origins = self._origins(chain)
            batch = chain.classify(records, now, origins) if records else Batch()
            self.dead_letters.append(batch.dead_letters)
            transitions = chain.commit(records, batch).transitions if records else []
        except BaseException as problem:
            for parcel in parcels:
                parcel.done.set_exception(Busy(f"not committed: {type(problem).__name__}"))
            raise
        for parcel in parcels:
            self._active[str(parcel.origin)] = now
            if not parcel.done.cancelled():
                parcel.done.set_result(None)
        self._tell(transitions)
        self._measure(chain, batch)
        self._limit(batch)

    def _records(self, chain: Chain, parcels: list[Parcel]) -> list[Record]:
        """The records that were not committed by an earlier run."""
        records: list[Record] = []
        place = chain.places.get(str(HTTP))
        following = 1 if place is None else place.offset + 1
        for parcel in parcels:
            known = chain.places.get(str(parcel.origin))
            fresh = parcel.records(following)
            if parcel.offsets is None:
                following += len(fresh)
            elif known is not None:
                fresh = [record for record in fresh if record.offset > known.offset]
            records += fresh
        return records

    def _tell(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            log_alert(self.log, transition)

    def _measure(self, chain: Chain, batch: Batch) -> None:
        self.meter.set("barograph_alerts_firing", chain.firing)
        if batch.readings:
            oldest = min(reading.event_time for reading in batch.readings)
            delay = max(0, self.wall() - oldest) / 1000
            self.meter.observe("barograph_publish_to_decision_seconds", delay)

    def _limit(self, batch: Batch) -> None:
        try:
            reasons = [letter.reason for letter in batch.dead_letters]
            self.limit.count(batch.documents, len(batch.dead_letters), reasons)
        except TooManyDeadLetters as problem:
            raise Fatal(str(problem)) from problem

    def _quiet(self, chain: Chain, clock: OriginClock) -> None:
        """Say which origins hold nothing more, so that event time goes on without documents."""
        now = self.wall()
        origins = self._origins(chain)
        idle = {name: now - self._active.setdefault(name, now) for name in origins}
        pause = _QUIET_EVERY_MS if min(idle.values()) < _LONG_QUIET_MS else 10 * _QUIET_EVERY_MS
        if now - self._spoke_at < pause or not self.inbox.empty():
            return
        self._spoke_at = now
        busy = {str(origin) for origin, more in self.inbox.origins.items() if more}
        marks = [
            # An idle time of 0 would say that the stream has ended; this one only pauses.
            Mark(name, clock.greatest(name), origins, now, True, max(1, idle[name]))
            for name in origins
            if name not in busy
        ]
        if marks:
            self._tell(chain.mark(marks))
            self.meter.set("barograph_alerts_firing", chain.firing)
