"""A short storm; ``make chaos`` is the long one."""

import random

import pytest

from benchmarks.chaos import SETTINGS, Storm, weather
from benchmarks.fleet import Fleet

KILLS = 14


@pytest.mark.kafka
@pytest.mark.timeout(400)
def test_kills_and_restarts_change_nothing(rows, expected, kafka_server, tmp_path):
    seed = random.randrange(10**6)
    fleet = Fleet(tmp_path, SETTINGS)
    try:
        storm = Storm(fleet, random.Random(seed), KILLS)
        wrong = weather(fleet, rows, expected, storm, 240)
    finally:
        fleet.close()
    print(f"seed {seed}: survived {dict(storm.survived)}")
    assert not wrong, f"seed {seed}: {wrong}"
    assert sum(storm.survived[role] for role in ("classify", "watch", "deliver")) == KILLS
