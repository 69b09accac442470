"""The alert line is a contract."""

import json

from alerts.detector import Finding
from alerts.episode import Case, Step, fire
from alerts.line import alert_line, iso, rounded
from alerts.rules import HOUR, MINUTE, WatchConfig
from alerts.telling import duration, p_value, transition
from alerts.transition import Evidence

KEYS = [
    "alert_id",
    "sequence",
    "type",
    "series",
    "event_time",
    "started_at",
    "severity",
    "rule",
    "window_seconds",
    "observed_negative",
    "expected_negative",
    "observed_total",
    "share",
    "usual_share",
    "p_value",
    "p_value_share",
    "copies",
    "warming_up",
    "model_versions",
    "summary",
    "evidence",
]


def step() -> Step:
    finding = Finding(15 * MINUTE, 9, 12, 1, 1 / 3, 0.15, -5.5, -4.25)
    case = Case(finding, (Evidence("d1", 5, 0.9, "A title"),), ("v1",))
    return fire("Energy | Oil", case, 90 * MINUTE, 80 * MINUTE, WatchConfig())


def test_the_keys_and_their_order_are_stable() -> None:
    line = json.loads(alert_line(transition("Energy | Oil", step(), 90 * MINUTE, False)))
    assert list(line) == KEYS
    assert line["event_time"] == "1970-01-01T01:30:00Z"
    assert line["window_seconds"] == 900
    assert line["evidence"] == ["d1"]
    assert line["expected_negative"] == 0.333333


def test_times_are_utc_with_milliseconds_only_where_there_are_any() -> None:
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert iso(1_388_534_400_250) == "2014-01-01T00:00:00.250Z"


def test_numbers_have_six_significant_digits() -> None:
    assert rounded(2 / 3) == 0.666667
    assert rounded(1.23456789e-200) == 1.23457e-200


def test_a_p_value_is_never_zero() -> None:
    assert 0 < p_value(-100_000.0) < 1e-300
    assert p_value(-2.0) == 0.01


def test_a_sentence_tells_one_from_many() -> None:
    assert duration(MINUTE) == "1 minute"
    assert duration(3 * HOUR) == "3 hours"
    assert duration(HOUR + 5 * MINUTE) == "1 hour 5 minutes"
    told = transition("x", step(), 90 * MINUTE, False).summary
    assert "1 copy not counted" in told
    assert told.endswith(".")
