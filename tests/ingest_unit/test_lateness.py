"""Who is late is decided in each origin's own order."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.lateness import OriginClock
from ingest.record import Origin


def test_a_document_is_late_only_beyond_the_allowed_lateness() -> None:
    clock = OriginClock(100)
    assert not clock.observe("a", 1000)
    assert not clock.observe("a", 900)
    assert clock.observe("a", 899)
    assert not clock.observe("b", 0)
    assert clock.greatest("a") == 1000


def test_an_origin_and_its_name_are_the_same() -> None:
    clock = OriginClock(0)
    clock.observe(Origin("news", 3), 10)
    assert clock.greatest("news/3") == 10
    assert clock.greatest(Origin("news", 2)) is None


def test_a_restored_clock_is_exactly_what_was_committed() -> None:
    clock = OriginClock(0)
    clock.observe("a", 10)
    clock.restore("a", 5)
    assert not clock.observe("a", 5)
    clock.restore("a", None)
    assert clock.greatest("a") is None


def test_a_negative_lateness_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 ms"):
        OriginClock(-1)


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
    st.integers(0, 20),
    st.integers(1, 5),
)
def test_batching_and_interleaving_change_no_verdict(
    origins: list[list[int]], random: Random, allowed: int, batch: int
) -> None:
    expected = []
    for times in origins:
        alone = OriginClock(allowed)
        expected.append([alone.observe("x", time) for time in times])

    clock = OriginClock(allowed)
    verdicts: list[list[bool]] = [[] for _ in origins]
    queues = [list(times) for times in origins]
    while any(queues):
        number = random.choice([n for n, queue in enumerate(queues) if queue])
        # Each batch may go to a worker of its own, which knows only what was committed.
        committed = clock.greatest(str(number))
        clock = clock if random.random() < 0.5 else OriginClock(allowed)
        clock.restore(str(number), committed)
        for other, times in enumerate(origins):
            done = times[: len(verdicts[other])]
            clock.restore(str(other), max(done, default=None))
        for time in queues[number][:batch]:
            verdicts[number].append(clock.observe(str(number), time))
        queues[number] = queues[number][batch:]
    assert verdicts == expected
