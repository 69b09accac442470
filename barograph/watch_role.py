"""The watch role: readings in, windows and alerts committed to the store, fenced."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from alerts.store import Behind, Fence, Fenced, StoreUnavailable, WatchStore
from alerts.watch import Changes, PartitionWatch
from barograph.chain import Pack
from barograph.logs import Logger, log_alert
from barograph.supervisor import Pulse, Trouble
from classifier.reading import Entry, Reading, decode
from ingest.broker import BrokerProblem, FencedOut, KafkaConfig, ReadingsLog, Retry
from ingest.meter import Meter

_AGAIN_S = 0.5


@dataclass
class _Owned:
    watch: PartitionWatch
    fence: Fence


@dataclass
class WatchRole:
    """One member of the watch group; every partition that it owns is fenced by the store."""

    config: KafkaConfig
    store: WatchStore
    make_watch: Callable[[], PartitionWatch]
    pack: Pack
    meter: Meter
    log: Logger
    wall: Callable[[], int]
    name: str = "watch"
    _owned: dict[int, _Owned] = field(default_factory=dict)
    _wanted: dict[int, float] = field(default_factory=dict)
    _trouble: str | None = None

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Work until told to stop; what is in hand is committed first."""
        self._owned, self._wanted, self._trouble = {}, {}, None
        log = self._open()
        try:
            while not stop.is_set():
                self._turn(log)
                if self._trouble is not None:
                    pulse.complain(self._trouble)
                elif not log.healthy():
                    pulse.complain("Kafka does not answer")
                else:
                    pulse.beat()
        except (FencedOut, BrokerProblem) as problem:
            raise Trouble(str(problem)) from problem
        finally:
            log.close()

    def _open(self) -> ReadingsLog:
        try:
            return ReadingsLog(self.config, self._assigned, self._revoked, self.wall)
        except BrokerProblem as problem:
            raise Trouble(str(problem)) from problem

    def _assigned(self, partitions: tuple[int, ...]) -> None:
        self._wanted.update(dict.fromkeys(partitions, 0.0))

    def _revoked(self, partitions: tuple[int, ...]) -> None:
        for partition in partitions:
            self._wanted.pop(partition, None)
            self._owned.pop(partition, None)
        self.log.info("readings partitions given up", partitions=partitions)

    def _turn(self, log: ReadingsLog) -> None:
        self._take_over(log)
        try:
            polled = log.poll(250 if not self._wanted else 50)
        except Retry as problem:
            self.log.warning("polling is tried again", reason=str(problem))
            return
        offsets = {}
        for partition, entries in polled.items():
            if (owned := self._owned.get(partition)) is not None:
                self._process(partition, owned, entries)
                offsets[partition] = entries[-1][0] + 1
        if offsets:
            log.note({p: o for p, o in offsets.items() if p in self._owned})
        firing = sum(len(owned.watch.firing) for owned in self._owned.values())
        self.meter.set("barograph_alerts_firing", firing)
        for partition, behind in log.lag().items():
            origin = f"{self.config.readings_topic}/{partition}"
            self.meter.set("barograph_consumer_lag_records", behind, origin=origin)

    def _take_over(self, log: ReadingsLog) -> None:
        """Claim what is assigned, load it and go to where its last commit ended."""
        if not self._wanted:
            self._trouble = None
            return
        for partition, not_before in list(self._wanted.items()):
            if time.monotonic() < not_before:
                continue
            try:
                fence = self.store.claim(partition)
                watch = self.make_watch()
                watch.restore(self.store, partition)
            except StoreUnavailable as problem:
                self._later(partition, f"the store does not answer ({problem})")
                return
            self._owned[partition] = _Owned(watch, fence)
            del self._wanted[partition]
            log.seek(partition, fence.offset)
            self.log.info("readings partition taken", partition=partition, offset=fence.offset)

    def _later(self, partition: int, trouble: str) -> None:
        """Let go of a partition's memory, which may be ahead of the store, and claim it anew."""
        self._owned.pop(partition, None)
        self._wanted[partition] = time.monotonic() + _AGAIN_S
        if trouble != self._trouble:
            self.log.warning("a readings partition waits", partition=partition, reason=trouble)
        self._trouble = trouble

    def _process(self, partition: int, owned: _Owned, entries: list[tuple[int, bytes]]) -> None:
        decoded = [(offset, entry) for offset, raw in entries if (entry := self._read(raw))]
        if not decoded:
            return
        changes = owned.watch.process(decoded)
        outbox = [self.pack(transition) for transition in changes.transitions]
        try:
            owned.fence = self.store.commit(
                partition, owned.fence, changes.next_offset, changes.writes, outbox
            )
        except StoreUnavailable as problem:
            self._later(partition, f"the store does not answer ({problem})")
        except (Fenced, Behind) as problem:
            self._later(partition, f"the store has moved on without this process ({problem})")
        else:
            self._measure(decoded, changes)

    def _read(self, raw: bytes) -> Entry | None:
        try:
            entry: Entry = decode(raw)
        except msgspec.DecodeError as problem:
            self.log.error("an entry of the readings topic is not ours", problem=str(problem))
            return None
        return entry

    def _measure(self, entries: list[tuple[int, Entry]], changes: Changes) -> None:
        self.meter.observe("barograph_batch_size_documents", len(entries), role="watch")
        oldest = next((e.event_time for _, e in entries if isinstance(e, Reading)), None)
        if oldest is not None:
            delay = max(0, self.wall() - oldest) / 1000
            self.meter.observe("barograph_publish_to_decision_seconds", delay)
        for transition in changes.transitions:
            log_alert(self.log, transition)
