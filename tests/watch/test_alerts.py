"""What raises an alert, what does not, and how an alert ends."""

import random

import pytest

from alerts.rules import DAY, HOUR, MINUTE, WatchConfig
from alerts.transition import Transition
from classifier.reading import Reading
from tests.watch.streams import START, reading, run, steady, with_marks

CONFIG = WatchConfig()


def burst(hour: float, count: int, every: int = 20_000, first: int = 90_000) -> list[Reading]:
    start = int(hour * HOUR)
    return [reading(start + i * every, first + i, negative=True) for i in range(count)]


def transitions(*parts: list[Reading]) -> list[Transition]:
    return run(with_marks([one for part in parts for one in part]))


def kinds(found: list[Transition]) -> list[str]:
    return [transition.type for transition in found]


@pytest.fixture(scope="module")
def calm() -> list[Reading]:
    return steady(72)


@pytest.fixture(scope="module")
def told(calm: list[Reading]) -> list[Transition]:
    return transitions(calm, burst(48.01, 60))


def test_a_calm_stream_raises_nothing(calm: list[Reading]) -> None:
    assert transitions(calm) == []


def test_a_burst_of_bad_news_fires_once_and_resolves_once(told: list[Transition]) -> None:
    assert kinds(told)[0] == "firing"
    assert kinds(told)[-1] == "resolved"
    assert kinds(told).count("firing") == kinds(told).count("resolved") == 1
    assert len({transition.alert_id for transition in told}) == 1
    assert [transition.sequence for transition in told] == list(range(len(told)))


def test_it_fires_within_minutes_at_the_end_of_a_bucket(told: list[Transition]) -> None:
    fired = told[0]
    assert fired.event_time % CONFIG.bucket_ms == 0
    assert 0 < fired.event_time - (START + 48 * HOUR) < 10 * MINUTE
    assert fired.started_at < fired.event_time


def test_it_says_what_was_observed_and_expected(told: list[Transition]) -> None:
    fired = told[0]
    assert fired.observed_negative >= CONFIG.minimum_negative
    assert fired.expected_negative < fired.observed_negative / 3
    assert fired.share > fired.usual_share == pytest.approx(1 / 6, rel=0.1)
    assert 0 < fired.p_value < CONFIG.count_threshold
    assert 0 < fired.p_value_share < CONFIG.share_threshold
    assert not fired.warming_up
    assert fired.summary.startswith("all: bad news surged, ")


def test_its_evidence_is_the_worst_of_its_window(told: list[Transition]) -> None:
    for transition in told:
        assert 1 <= len(transition.documents) <= 10
        probabilities = [d.negative_probability for d in transition.documents]
        assert probabilities == sorted(probabilities, reverse=True)
    assert any(d.document_id.startswith("d9000") for d in told[0].documents)


def test_a_burst_that_grows_escalates(told: list[Transition]) -> None:
    worse = [transition for transition in told if transition.type == "escalated"]
    assert worse
    assert worse[-1].severity == "critical"
    assert worse[-1].p_value < told[0].p_value


def test_a_resolved_alert_shows_its_peak(told: list[Transition]) -> None:
    assert told[-1].p_value <= min(transition.p_value for transition in told[:-1])
    assert "back to normal" in told[-1].summary


def test_it_ends_only_after_the_hold(told: list[Transition]) -> None:
    assert told[-1].event_time - told[0].event_time >= CONFIG.hold_ms


def test_an_alert_of_a_series_gone_silent_ends_as_well(calm: list[Reading]) -> None:
    other = [reading(49 * HOUR + i * MINUTE, 70_000 + i, series="other") for i in range(600)]
    # The only thing that still moves event time is another series.
    before = [one for one in calm if one.event_time < START + 48 * HOUR]
    found = [t for t in transitions(before, burst(48.01, 30), other) if t.series == "all"]
    assert kinds(found)[-1] == "resolved"
    assert found[-1].event_time <= START + 49 * HOUR + CONFIG.longest_ms + CONFIG.hold_ms


def test_a_second_burst_is_a_second_alert(calm: list[Reading]) -> None:
    found = transitions(calm, burst(30, 60), burst(60, 60, first=95_000))
    assert kinds(found).count("firing") == kinds(found).count("resolved") == 2
    assert len({transition.alert_id for transition in found}) == 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factor", [4, 10])
def test_more_news_of_the_usual_tone_raises_nothing(seed: int, factor: int) -> None:
    chance = random.Random(seed)

    def stream(start: float, hours: float, every: float, first: int) -> list[Reading]:
        times = [start * HOUR + i * every for i in range(int(hours * HOUR / every))]
        return [
            reading(int(time), first + i, negative=chance.random() < 0.15)
            for i, time in enumerate(times)
        ]

    usual = stream(0, 72, 2 * MINUTE, 0)
    surge = stream(50, 3, 2 * MINUTE / factor, 100_000)
    assert transitions(usual, surge) == []


def test_worse_tone_of_a_few_stories_raises_nothing(calm: list[Reading]) -> None:
    assert transitions(calm, burst(48.01, 3)) == []


def test_a_flood_of_copies_is_not_bad_news(calm: list[Reading]) -> None:
    flood = [
        reading(48 * HOUR + i * 2_000, 90_000 + i, negative=True, story="same") for i in range(500)
    ]
    assert transitions(calm, flood) == []


def test_copies_are_reported_in_the_alert(calm: list[Reading]) -> None:
    copies = [
        reading(48 * HOUR + i * 5_000, 80_000 + i, negative=True, story="same") for i in range(50)
    ]
    fired = transitions(calm, burst(48.01, 60), copies)[0]
    assert fired.copies > 5
    assert "copies not counted" in fired.summary


def test_documents_delivered_twice_change_nothing(
    calm: list[Reading], told: list[Transition]
) -> None:
    assert transitions(calm, calm, burst(48.01, 60), burst(48.01, 60)) == told


def test_a_crisis_does_not_become_the_new_normal(calm: list[Reading]) -> None:
    long = burst(48, 400, every=3 * MINUTE)
    found = transitions(calm, long, burst(67, 200, every=5_000, first=99_000))
    expected = [t.expected_negative / t.window_ms for t in found]
    assert len(found) >= 2
    assert kinds(found).count("firing") == 1
    assert expected == pytest.approx([expected[0]] * len(expected), rel=1e-9)


def test_a_level_that_stays_becomes_normal_in_the_end() -> None:
    more = steady(30 * 24, every=90_000, negative_in=1, start=4 * DAY, first=100_000)
    found = transitions(steady(96), more)
    assert kinds(found)[0] == "firing"
    assert kinds(found)[-1] == "resolved"


def test_the_first_hours_are_said_to_be_warming_up() -> None:
    fired = transitions(steady(5), burst(5, 120, every=10_000))[0]
    assert fired.warming_up
    assert fired.summary.endswith("still warming up.")
