from hypothesis import given
from hypothesis import strategies as st

from classifier.reading import Mark, Reading, decode, encode, partition_of


def test_a_reading_and_a_mark_survive_the_log():
    reading = Reading("all", "1", 5, "IPO", "negative", (1.0,), (0.2, 0.3, 0.5), "v", "s")
    mark = Mark("news/0", None, ("news/0",), 7, caught_up=True, idle_ms=3)
    assert decode(encode(reading)) == reading
    assert decode(encode(mark)) == mark


@given(st.text(), st.integers(1, 64))
def test_a_series_has_one_partition(series: str, partitions: int):
    assert partition_of(series, partitions) == partition_of(series, partitions)
    assert 0 <= partition_of(series, partitions) < partitions


def test_the_partition_of_a_series_never_changes_between_releases():
    assert partition_of("topic:Earnings", 4) == 3  # stored state depends on it
    assert partition_of("all", 4) == 1
