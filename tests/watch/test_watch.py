"""The stage itself: what it counts, what it writes, what it keeps."""

import pytest

from alerts.rules import DAY, HOUR, MINUTE, WatchConfig
from alerts.store import Append
from alerts.watch import PartitionWatch
from classifier.reading import Entry
from tests.watch.contract.memory import DictStore
from tests.watch.streams import mark, reading, run_with_restarts, steady, with_marks


class Meter:
    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        key = "/".join([name, *labels.values()])
        self.counts[key] = self.counts.get(key, 0) + amount

    def set(self, name: str, value: float, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


def test_a_late_document_is_counted_as_late_and_nowhere_else() -> None:
    meter = Meter()
    watch = PartitionWatch(WatchConfig(), meter)
    changes = watch.process([(4, reading(0, 1, late=True))])
    assert (changes.late, changes.counted, changes.next_offset) == (1, 0, 5)
    assert changes.writes == []
    assert meter.counts == {"barograph_late_documents": 1}


def test_a_document_of_a_closed_bucket_is_late() -> None:
    watch = PartitionWatch(WatchConfig())
    watch.process([(0, reading(0, 1)), (1, mark(HOUR))])
    assert watch.process([(2, reading(30_000, 2))]).late == 1


def test_a_document_within_the_allowed_lateness_is_counted_in_its_own_bucket() -> None:
    watch = PartitionWatch(WatchConfig())
    watch.process([(0, reading(HOUR, 1)), (1, mark(HOUR))])
    changes = watch.process([(2, reading(HOUR - MINUTE, 2))])
    assert (changes.counted, changes.late) == (1, 0)


def test_a_document_that_came_twice_is_counted_as_a_duplicate() -> None:
    meter = Meter()
    watch = PartitionWatch(WatchConfig(), meter)
    watch.process([(0, reading(0, 1)), (1, reading(0, 1)), (2, reading(0, 2))])
    assert watch.process([(3, mark(HOUR))]).duplicates == 1
    assert meter.counts == {"barograph_duplicate_documents": 1}


def test_nothing_to_process_is_an_error() -> None:
    with pytest.raises(ValueError, match="no entries"):
        PartitionWatch(WatchConfig()).process([])


def test_each_reading_is_written_once() -> None:
    watch = PartitionWatch(WatchConfig())
    sizes = []
    for i in range(50):
        changes = watch.process([(i, reading(i, i))])
        sizes += [len(write.value) for write in changes.writes if isinstance(write, Append)]
    assert len(sizes) == 50
    assert max(sizes) < min(sizes) + 10


def test_a_bucket_that_closes_in_the_batch_that_brought_it_is_never_written_open() -> None:
    changes = PartitionWatch(WatchConfig()).process([(0, reading(0, 1)), (1, mark(HOUR))])
    assert not any(isinstance(write, Append) for write in changes.writes)


def test_a_series_gone_quiet_keeps_only_its_core() -> None:
    log: list[Entry] = [*with_marks(steady(6))[:-1], mark(DAY)]
    _, store = run_with_restarts(log, [(40, False)], WatchConfig())
    assert {key[1] for key in store.hashes} == {"series"}
    assert {key[1] for key in store.strings} == {"partition"}
    assert len(store.hashes[0, "series"][b"all"]) < 200


def test_a_busy_series_keeps_no_more_than_its_longest_window() -> None:
    config = WatchConfig()
    sizes = []
    for hours in (6, 48):
        _, store = run_with_restarts(with_marks(steady(hours)), [(40, False)], config)
        kept = store.hashes[0, "closed:all"]
        assert len(kept) <= config.longest_ms // config.bucket_ms
        sizes.append(store.size())
    assert sizes[1] < 1.05 * sizes[0]


def test_series_do_not_touch_each_other() -> None:
    watch = PartitionWatch(WatchConfig())
    many = [(i, reading(0, i, series=f"s{i}")) for i in range(300)]
    watch.process([*many, (300, mark(12 * HOUR))])
    changes = watch.process([(301, reading(12 * HOUR, 999, series="s7")), (302, mark(13 * HOUR))])
    assert {write.key for write in changes.writes} <= {"series", "closed:s7", "partition"}
    assert len(changes.writes) == 3
    assert watch.series == 300


def test_a_new_owner_knows_what_is_firing() -> None:
    burst = [reading(30 * HOUR + i * 10_000, 9_000 + i, negative=True) for i in range(60)]
    log = [*with_marks(steady(30)), *burst, mark(30 * HOUR + 15 * MINUTE)]
    _, store = run_with_restarts(log, [(100, False)], WatchConfig())
    successor = PartitionWatch(WatchConfig())
    successor.restore(store, 0)
    assert successor.firing == {"all"}


def test_an_empty_store_is_a_fresh_start() -> None:
    watch = PartitionWatch(WatchConfig())
    watch.restore(DictStore(), 0)
    assert watch.event_time is None
    assert watch.firing == frozenset()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("windows_ms", ()),
        ("windows_ms", (90_000,)),
        ("windows_ms", (HOUR, MINUTE)),
        ("bucket_ms", 0),
        ("half_life_ms", 0),
        ("calm_count", 1e-9),
    ],
)
def test_numbers_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"window|half-life|calm"):
        WatchConfig(**{field: value})  # type: ignore[arg-type]
