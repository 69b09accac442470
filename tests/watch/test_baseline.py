"""What a series learns to expect."""

import random

import pytest

from alerts.baseline import Baseline, begin, expect, learn, pause, skip_to, warming_up
from alerts.rules import DAY, HOUR, MINUTE, WatchConfig

CONFIG = WatchConfig()
START = 100 * DAY


def taught(hours: int, negative: int, total: int, start: int = START) -> Baseline:
    """A bucket of these counts each hour."""
    baseline = begin(start)
    for hour in range(hours):
        baseline = learn(baseline, start + hour * HOUR, negative, total, CONFIG)
    return baseline


def test_the_first_document_meets_an_expectation_with_wide_uncertainty() -> None:
    usual = expect(begin(START), START, CONFIG)
    assert usual.rate == pytest.approx(1.0)
    assert usual.size < 1
    assert usual.a + usual.b < 5


def test_a_steady_rate_and_share_are_learned() -> None:
    usual = expect(taught(24 * 14, 3, 20), START + 14 * DAY, CONFIG)
    assert usual.rate == pytest.approx(3.0, rel=0.05)
    assert usual.share == pytest.approx(0.15, rel=0.02)


def test_silence_lowers_the_rate_but_not_the_share() -> None:
    baseline = taught(24 * 14, 3, 20)
    later = expect(baseline, START + 21 * DAY, CONFIG)
    # Three an hour for two weeks, then none for one: weights 3/8 of 7/8.
    assert later.rate == pytest.approx(3 * 3 / 7, rel=0.05)
    assert later.share == pytest.approx(0.15, rel=0.05)


def test_old_news_is_forgotten_with_the_half_life() -> None:
    baseline = taught(24, 30, 60)
    at_once = expect(baseline, START + DAY, CONFIG)
    week_later = expect(baseline, START + 8 * DAY, CONFIG)
    seen = at_once.a / at_once.share, week_later.a / week_later.share
    assert seen[1] < seen[0]
    assert week_later.rate < at_once.rate / 5


def test_reading_the_baseline_changes_nothing() -> None:
    baseline = taught(100, 2, 9)
    first = expect(baseline, START + 30 * DAY, CONFIG)
    for hour in range(0, 800, 7):
        expect(baseline, START + hour * HOUR, CONFIG)
    assert expect(baseline, START + 30 * DAY, CONFIG) == first


def test_uneven_hours_widen_the_count() -> None:
    even, uneven = taught(24 * 14, 5, 20), begin(START)
    for hour in range(24 * 14):
        uneven = learn(uneven, START + hour * HOUR, 20 * (hour % 4 == 0), 20, CONFIG)
    time = START + 14 * DAY
    assert expect(uneven, time, CONFIG).size < expect(even, time, CONFIG).size / 3


def test_uneven_shares_widen_the_share() -> None:
    even, uneven = taught(24 * 14, 5, 20), begin(START)
    for hour in range(24 * 14):
        uneven = learn(uneven, START + hour * HOUR, 10 * (hour % 2), 20, CONFIG)
    time = START + 14 * DAY
    strengths = [(u.a + u.b) for u in (expect(b, time, CONFIG) for b in (uneven, even))]
    assert strengths[0] < strengths[1] / 3


def test_chance_alone_is_not_taken_for_unevenness() -> None:
    chance, baseline = random.Random(5), begin(START)
    for minute in range(0, 14 * 24 * 60, 2):
        negative = int(chance.random() < 0.15)
        baseline = learn(baseline, START + minute * MINUTE, negative, 1, CONFIG)
    usual = expect(baseline, START + 14 * DAY, CONFIG)
    assert usual.size > 10
    assert usual.a + usual.b > 60


def test_skipped_time_is_neither_exposure_nor_forgotten() -> None:
    baseline = taught(48, 3, 20)
    skipped = skip_to(baseline, START + 20 * DAY)
    before = expect(baseline, baseline.learned_to, CONFIG)
    after = expect(skipped, START + 20 * DAY, CONFIG)
    assert after.rate == pytest.approx(before.rate)
    assert after.share == pytest.approx(before.share)


def test_a_paused_baseline_has_all_exposure_up_to_the_pause() -> None:
    baseline = taught(48, 3, 20)
    time = START + 4 * DAY
    paused = pause(baseline, time, CONFIG)
    assert expect(paused, paused.learned_to, CONFIG).rate == pytest.approx(
        expect(baseline, time, CONFIG).rate
    )


def test_warm_up_takes_time_and_documents() -> None:
    assert warming_up(taught(20, 3, 20), START + 20 * HOUR, CONFIG)
    assert warming_up(taught(30, 0, 1), START + 30 * HOUR, CONFIG)
    assert not warming_up(taught(30, 3, 20), START + 30 * HOUR, CONFIG)
