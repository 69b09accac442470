"""The classify role: Kafka topics in, readings out, exactly once."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from barograph.logs import Logger
from barograph.supervisor import Fatal, Pulse, Trouble
from classifier.reading import Mark, encode, partition_of
from classifier.stage import Batch, ClassifyStage
from ingest.broker import BrokerProblem, ClassifyLog, FencedOut, KafkaConfig, Retry
from ingest.dead_letters import ShareLimit, TooManyDeadLetters, to_json
from ingest.lateness import OriginClock
from ingest.meter import Meter
from ingest.record import Origin, Record

_AGAIN_MS = 1_000
_LONG_QUIET_MS = 15 * 60_000


@dataclass
class ClassifyRole:
    """One member of the classify group."""

    config: KafkaConfig
    make_stage: Callable[[OriginClock], ClassifyStage]
    make_clock: Callable[[], OriginClock]
    limit: ShareLimit
    meter: Meter
    log: Logger
    wall: Callable[[], int]
    batch_size: int
    max_wait_ms: int
    name: str = "classify"
    _said_at: dict[Origin, int] = field(default_factory=dict)

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Work until told to stop; the batch in hand is finished and committed."""
        clock = self.make_clock()
        stage = self.make_stage(clock)
        log = self._open(clock)
        try:
            self.log.info("classify ready", readings_partitions=log.readings_partitions)
            while not stop.is_set():
                try:
                    self._turn(log, stage, clock)
                except Retry as problem:
                    self.log.warning("a batch is taken again", reason=str(problem))
                    stop.wait(0.1)
                if log.healthy():
                    pulse.beat()
                else:
                    pulse.complain("Kafka does not answer")
        except FencedOut as problem:
            raise Trouble(str(problem)) from problem
        except BrokerProblem as problem:
            raise Trouble(str(problem)) from problem
        finally:
            log.close()

    def _open(self, clock: OriginClock) -> ClassifyLog:
        try:
            return ClassifyLog(
                self.config,
                partition_of,
                clock.restore,
                lambda origin: clock.restore(origin, None),
                self.wall,
            )
        except BrokerProblem as problem:
            raise Trouble(str(problem)) from problem

    def _turn(self, log: ClassifyLog, stage: ClassifyStage, clock: OriginClock) -> None:
        records = log.poll(500, self.batch_size)
        if records and len(records) < self.batch_size and self.max_wait_ms:
            records += log.poll(self.max_wait_ms, self.batch_size - len(records))
        now = self.wall()
        batch = stage.process(records, now, log.origins()) if records else Batch()
        marks = batch.marks + self._quiet(log, clock, {r.origin for r in records}, now)
        if records or marks:
            log.commit(
                [(reading.series, encode(reading)) for reading in batch.readings],
                [encode(mark) for mark in marks],
                [to_json(letter) for letter in batch.dead_letters],
                {record.origin: clock.greatest(record.origin) for record in records},
            )
        self._measure(log, records, now)
        try:
            reasons = [letter.reason for letter in batch.dead_letters]
            self.limit.count(batch.documents, len(batch.dead_letters), reasons)
        except TooManyDeadLetters as problem:
            raise Fatal(str(problem)) from problem

    def _quiet(
        self, log: ClassifyLog, clock: OriginClock, touched: set[Origin], now: int
    ) -> list[Mark]:
        """Marks for origins that hold nothing more; an idle one is spoken of ever less often."""
        marks = []
        for origin, (seen_at, idle_ms) in log.caught_up().items():
            if origin in touched:
                continue
            pause = _AGAIN_MS if idle_ms < _LONG_QUIET_MS else 10 * _AGAIN_MS
            if now - self._said_at.get(origin, 0) < pause * 0.9:
                continue
            self._said_at[origin] = now
            # An idle time of 0 would say that the stream has ended; it only pauses.
            idle = max(1, idle_ms)
            marks.append(
                Mark(str(origin), clock.greatest(origin), log.origins(), seen_at, True, idle)
            )
        return marks

    def _measure(self, log: ClassifyLog, records: list[Record], now: int) -> None:
        newest = {r.origin: r.logged_at for r in records}
        for origin, behind in log.lag().items():
            self.meter.set("barograph_consumer_lag_records", behind, origin=str(origin))
            logged_at = newest.get(origin)
            if not behind:
                self.meter.set("barograph_consumer_lag_seconds", 0, origin=str(origin))
            elif logged_at is not None:
                lag = max(0, now - logged_at) / 1000
                self.meter.set("barograph_consumer_lag_seconds", lag, origin=str(origin))
