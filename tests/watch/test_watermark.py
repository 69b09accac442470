"""How far event time counts as complete."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.rules import WatchConfig
from alerts.watermark import Watermark, advance
from classifier.reading import Mark

CONFIG = WatchConfig(bucket_ms=60_000, allowed_lateness_ms=120_000, settle_ms=180_000)
BOTH = ("a", "b")


def after(*marks: Mark) -> int | None:
    watermark = Watermark()
    for mark in marks:
        watermark = advance(watermark, mark, CONFIG)
    return watermark.time


def test_nothing_is_complete_while_an_origin_has_not_spoken() -> None:
    assert after(Mark("a", 1_000_000, BOTH, 1)) is None


def test_the_slowest_origin_decides() -> None:
    assert after(Mark("a", 9_000_000, BOTH, 1), Mark("b", 1_000_000, BOTH, 1)) == 880_000


def test_event_time_never_goes_back() -> None:
    assert after(Mark("a", 1_000_000, ("a",), 1), Mark("a", 500_000, ("a",), 2)) == 880_000


def test_a_new_origin_does_not_take_event_time_back() -> None:
    assert after(Mark("a", 1_000_000, ("a",), 1), Mark("a", 2_000_000, BOTH, 2)) == 880_000


def test_an_empty_origin_does_not_hold_the_others_back() -> None:
    empty = Mark("b", None, BOTH, seen_at=5, caught_up=True, idle_ms=1)
    assert after(Mark("a", 1_000_000, BOTH, 5), empty) == 880_000


def test_an_empty_origin_vouches_only_for_what_was_read_before_it_was_seen_empty() -> None:
    seen_empty = Mark("b", None, BOTH, seen_at=5, caught_up=True, idle_ms=1)
    read_later = Mark("a", 1_000_000, BOTH, seen_at=6)
    assert after(read_later, seen_empty) is None


def test_an_unread_origin_is_not_run_past() -> None:
    quiet = Mark("b", 1_000_000, BOTH, 1)
    ahead = Mark("a", 9_000_000, BOTH, 2)
    assert after(quiet, ahead) == 880_000


def test_the_end_of_a_stream_completes_the_bucket_of_its_last_document_and_no_more() -> None:
    end = Mark("a", None, ("a",), seen_at=2, caught_up=True, idle_ms=0)
    assert after(Mark("a", 1_000_000, ("a",), 1), end) == 1_020_000


def test_a_stream_that_pauses_keeps_its_last_bucket_open() -> None:
    pause = Mark("a", None, ("a",), seen_at=2, caught_up=True, idle_ms=500)
    assert after(Mark("a", 1_000_000, ("a",), 1), pause) == 880_500


def test_a_stream_that_has_settled_completes_its_last_bucket() -> None:
    settled = Mark("a", None, ("a",), seen_at=2, caught_up=True, idle_ms=180_000)
    assert after(Mark("a", 1_000_000, ("a",), 1), settled) == 1_060_000


def test_event_time_flows_on_while_every_origin_is_idle() -> None:
    data = [Mark("a", 1_000_000, BOTH, 1), Mark("b", 990_000, BOTH, 1)]
    long = Mark("a", None, BOTH, seen_at=9, caught_up=True, idle_ms=5_000_000)
    longer = Mark("b", None, BOTH, seen_at=9, caught_up=True, idle_ms=6_000_000)
    assert after(*data, long, longer) == 1_000_000 + 5_000_000 - 120_000


def test_a_document_ends_the_flow_without_taking_it_back() -> None:
    idle = Mark("a", None, ("a",), seen_at=9, caught_up=True, idle_ms=600_000)
    assert (
        after(Mark("a", 1_000_000, ("a",), 1), idle, Mark("a", 1_100_000, ("a",), 10)) == 1_480_000
    )


def test_a_stream_without_any_document_completes_nothing() -> None:
    assert after(Mark("a", None, ("a",), 1, caught_up=True, idle_ms=10**9)) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(BOTH),
            st.none() | st.integers(0, 10**7),
            st.integers(0, 20),
            st.booleans(),
            st.integers(0, 10**7),
        ),
        max_size=20,
    )
)
def test_no_series_of_marks_takes_event_time_back(
    marks: list[tuple[str, int | None, int, bool, int]],
) -> None:
    watermark = Watermark()
    for origin, time, seen_at, caught_up, idle_ms in marks:
        before = watermark.time
        watermark = advance(
            watermark, Mark(origin, time, BOTH, seen_at, caught_up, idle_ms), CONFIG
        )
        assert before is None or (watermark.time is not None and watermark.time >= before)
