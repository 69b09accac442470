import random

from hypothesis import given
from hypothesis import strategies as st

from alerts.delivery import SCHEDULE, Delivery, Outcome, next_step

NOW = 1_700_000_000_000


def delivery(attempt: int) -> Delivery:
    return Delivery("msg_x", "a.0", "hook", 0, b"", attempt)


@given(st.integers(0, len(SCHEDULE) - 1), st.integers(0, 10**6))
def test_each_wait_is_near_its_place_in_the_schedule(attempt: int, seed: int):
    step = next_step(delivery(attempt), Outcome("retry", "x"), NOW, random.Random(seed))
    assert step.action == "again"
    assert 0.8 <= (step.due - NOW) / SCHEDULE[attempt] <= 1.2


@given(st.integers(0, len(SCHEDULE) - 1), st.floats(0, 86_400))
def test_a_receiver_can_ask_for_a_longer_wait(attempt: int, seconds: float):
    outcome = Outcome("retry", "x", seconds)
    step = next_step(delivery(attempt), outcome, NOW, random.Random(1))
    assert step.due - NOW >= round(seconds * 1000)


def test_it_gives_up_after_three_days_with_the_reason():
    step = next_step(delivery(len(SCHEDULE)), Outcome("retry", "HTTP 500"), NOW, random.Random(1))
    assert step.action == "give up"
    assert "10 attempts: HTTP 500" in step.reason
    assert sum(SCHEDULE) > 3 * 86_400_000


def test_the_id_of_a_delivery_depends_on_transition_and_sink_alone():
    assert Delivery.of("a.0", "x", 0, b"1").id == Delivery.of("a.0", "x", 3, b"2").id
    assert Delivery.of("a.0", "x", 0, b"").id != Delivery.of("a.0", "y", 0, b"").id
