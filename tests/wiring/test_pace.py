"""A replay at the speed of life, on a clock that a test turns; and one that is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from barograph.replay import paced, parse_speed
from ingest.parse import Policy
from ingest.record import Origin, Record
from tests.wiring.stream import lines

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_790_000_000_000


class Clock:
    """Sleeping is what makes its time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def at(*minutes: int | None) -> list[Record]:
    """Records published so many minutes after noon; None is one that cannot be read."""
    return [Record(_raw(minute), Origin("file"), place) for place, minute in enumerate(minutes, 1)]


def _raw(minute: int | None) -> bytes:
    if minute is None:
        return b"broken"
    moment = f"2026-01-05T12:{minute:02}:00Z"
    return json.dumps({"text": "x", "published_at": moment}).encode()


def offsets(clock: Clock, records: list[Record], size: int, speed: float) -> list[list[int]]:
    found = paced(records, size, speed, Policy(b"k"), NOW, clock.monotonic, clock.sleep)
    return [[record.offset for record in batch] for batch in found]


def test_records_come_when_they_would_have() -> None:
    clock = Clock()
    assert offsets(clock, at(0, 1, 1, 3), 10, 60) == [[1], [2, 3], [4]]
    assert clock.slept == [1.0, 2.0]


def test_a_slow_consumer_is_not_made_slower() -> None:
    clock = Clock()
    batches = paced(at(0, 1, 2, 3), 10, 60, Policy(b"k"), NOW, clock.monotonic, clock.sleep)
    assert len(next(batches)) == 1
    clock.now += 10  # the consumer was busy
    assert [record.offset for record in next(batches)] == [2, 3, 4]


def test_what_is_late_or_unreadable_waits_for_nothing() -> None:
    clock = Clock()
    assert offsets(clock, at(2, 0, None, 1), 10, 1) == [[1, 2, 3, 4]]
    assert clock.slept == []


def test_a_batch_is_never_larger_than_asked_for() -> None:
    assert offsets(Clock(), at(0, 0, 0), 2, 1) == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("text", "speed"), [("max", None), ("1x", 1.0), ("60x", 60.0), ("0.5", 0.5)]
)
def test_speeds_are_understood(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["fast", "0x", "-1x", "inf", "nan", ""])
def test_other_speeds_are_not(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_speed(text)


def test_an_interrupted_replay_tells_what_it_found(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(lines())
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BAROGRAPH_")}
    alerts = tmp_path / "alerts.jsonl"
    command = ["replay", str(source), "--json", "--speed", "60x", "--alerts", str(alerts)]
    process = subprocess.Popen(
        [sys.executable, "-m", "barograph", *command],
        env=clean | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not alerts.exists():  # made when the replay begins
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    found = json.loads(out)
    assert found["interrupted"] is True
    assert 0 < found["documents"] < 20  # half an hour apart: it was asleep
    assert b"Interrupted" in error
    assert b"Traceback" not in error
