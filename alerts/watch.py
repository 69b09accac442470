"""The watch stage of one readings partition: log entries in; writes and transitions out."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.bucket import Entry, entry_of
from alerts.layout import (
    PARTITION,
    SERIES,
    Core,
    closed_key,
    decode_bucket,
    decode_core,
    decode_watermark,
    encode,
    open_key,
    unframe,
)
from alerts.rules import WatchConfig
from alerts.series import Series
from alerts.store import Put, WatchStore, Write
from alerts.transition import Transition
from alerts.watermark import Watermark, advance
from classifier.reading import Mark, Reading
from ingest.meter import Meter, NullMeter


@dataclass(frozen=True)
class Changes:
    """What a batch of log entries changed: ``writes`` and ``transitions`` are one commit.

    ``next_offset`` is the offset behind the last entry. ``counted`` readings went into a
    bucket; ``late`` ones came after theirs had closed; ``duplicates`` were a document once more
    (noticed when their bucket closes).
    """

    writes: list[Write]
    transitions: list[Transition]
    next_offset: int
    counted: int
    late: int
    duplicates: int


class PartitionWatch:
    """All series of one readings partition, in memory, for its one owner.

    After an error, also one of a commit, its memory is ahead of the store: drop it and
    ``restore`` a new one.
    """

    def __init__(self, config: WatchConfig, meter: Meter | None = None) -> None:
        self._config = config
        self._meter = meter or NullMeter()
        self._watermark = Watermark()
        self._series: dict[str, Series] = {}
        self._due: list[tuple[int, str]] = []  # a heap
        self._noted: dict[str, int] = {}  # which of its places in the heap holds for a series
        self._firing: set[str] = set()
        self._touched: dict[str, Series] = {}

    @property
    def event_time(self) -> int | None:
        """Up to where every bucket is closed (ms); None while an origin has not spoken."""
        return self._watermark.time

    @property
    def firing(self) -> frozenset[str]:
        """The series that have an alert which has not ended."""
        return frozenset(self._firing)

    @property
    def series(self) -> int:
        """How many series are known."""
        return len(self._series)

    def restore(self, store: WatchStore, partition: int) -> None:
        """Load what earlier owners committed. Raises ``StoreUnavailable``."""
        if (value := store.value(partition, PARTITION)) is not None:
            self._watermark = decode_watermark(value)
        for field, value in store.fields(partition, SERIES).items():
            name, core = field.decode(), decode_core(value)
            series = self._series[name] = Series(name, self._config)
            self._load(series, core, store, partition)
            self._note(series)

    def process(self, entries: Sequence[tuple[int, Reading | Mark]]) -> Changes:
        """Take (offset, entry) in the order of the log. Raises ValueError where there is none."""
        if not entries:
            raise ValueError("no entries to process")
        arrived: dict[tuple[str, int], list[Entry]] = {}
        transitions: list[Transition] = []
        counted = late = 0
        watermark_before = self._watermark
        bucket_ms, closed_to = self._config.bucket_ms, self._closed_to()
        for _, entry in entries:
            if isinstance(entry, Reading):
                start = entry.event_time - entry.event_time % bucket_ms
                if entry.late or start + bucket_ms <= closed_to:
                    late += 1
                    continue
                counted += 1
                kept = entry_of(entry)
                key = (entry.series, start)
                if (same := arrived.get(key)) is None:
                    arrived[key] = [kept]
                else:
                    same.append(kept)
            else:
                self._watermark = advance(self._watermark, entry, self._config)
                if self._closed_to() > closed_to:
                    self._add(arrived)
                    transitions += self._close()
                    closed_to = self._closed_to()
        self._add(arrived)
        writes = self._writes(self._watermark != watermark_before)
        changes = Changes(
            writes,
            sorted(transitions, key=lambda t: (t.event_time, t.series, t.sequence)),
            entries[-1][0] + 1,
            counted,
            late,
            self._take_repeated(),
        )
        self._count(changes)
        return changes

    def _closed_to(self) -> int:
        """Buckets that end at or before this are closed (ms)."""
        time = self._watermark.time
        return -(2**63) if time is None else time

    def _load(self, series: Series, core: Core, store: WatchStore, partition: int) -> None:
        closed, opened = {}, {}
        if core.closed:
            stored = store.fields(partition, closed_key(series.name))
            closed = {int(start): decode_bucket(value) for start, value in stored.items()}
        if core.open:
            keys = [open_key(series.name, start) for start in core.open]
            values = store.values(partition, keys)
            for start, value in zip(core.open, values, strict=True):
                opened[start] = list(unframe(value or b""))
        series.restore(core, closed, opened)
        if series.firing:
            self._firing.add(series.name)

    def _add(self, arrived: dict[tuple[str, int], list[Entry]]) -> None:
        for (name, start), entries in arrived.items():
            series = self._series.get(name)
            if series is None:
                series = self._series[name] = Series(name, self._config)
            series.add(start, entries)
            self._touched[name] = series
            self._note(series)
        arrived.clear()

    def _note(self, series: Series) -> None:
        """See to it that the series is looked at when it is due."""
        due = series.due
        if due is not None and self._noted.get(series.name, due + 1) > due:
            self._noted[series.name] = due
            heapq.heappush(self._due, (due, series.name))

    def _close(self) -> list[Transition]:
        """Do what is due, touching only the series that have something to do."""
        time, heap = self._closed_to(), self._due
        transitions: list[Transition] = []
        while heap and heap[0][0] <= time:
            noted, name = heapq.heappop(heap)
            if self._noted.get(name) != noted:
                continue
            del self._noted[name]
            series = self._series[name]
            if (due := series.due) is not None and due <= time:
                transitions += series.close_up_to(time)
                self._touched[name] = series
                (self._firing.add if series.firing else self._firing.discard)(name)
            self._note(series)
        return transitions

    def _writes(self, moved: bool) -> list[Write]:
        writes: list[Write] = []
        for series in self._touched.values():
            writes += series.changes()
        if moved:
            writes.append(Put(PARTITION, encode(self._watermark)))
        return writes

    def _take_repeated(self) -> int:
        repeated = 0
        for series in self._touched.values():
            repeated += series.repeated
            series.repeated = 0
        self._touched = {}
        return repeated

    def _count(self, changes: Changes) -> None:
        meter = self._meter
        if changes.late:
            meter.add("barograph_late_documents", changes.late)
        if changes.duplicates:
            meter.add("barograph_duplicate_documents", changes.duplicates)
        for transition in changes.transitions:
            meter.add("barograph_alert_transitions", type=transition.type)
