"""``barograph dead-letters`` on a real Kafka topic."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.fleet import Fleet, wait_until
from ingest.broker import DocumentProducer, read_dead_letters, read_range

GOOD = {"id": "1", "text": "Oil rises", "published_at": "2023-03-01T10:00:00Z"}


def command(fleet: Fleet, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "barograph", "dead-letters", *words],
        env=os.environ | fleet.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.kafka
@pytest.mark.timeout(120)
def test_what_was_refused_is_listed_and_can_be_fed_in_again(kafka_server, tmp_path):
    fleet = Fleet(tmp_path, {})
    try:
        producer = DocumentProducer(fleet.config)
        producer.publish([("news", "1", json.dumps(GOOD).encode()), ("news", "2", b"{broken")])
        producer.close()
        fleet.add("classify")
        wait_until(lambda: len(list(read_dead_letters(fleet.config))) == 1, 60, "dead letter")
        listed = command(fleet, "list")
        assert "not JSON" in listed
        assert "{broken" in listed
        command(fleet, "replay")
        wait_until(lambda: len(list(read_dead_letters(fleet.config))) == 2, 60, "second refusal")
        raws = sorted(record.raw for record in read_range(fleet.config, ["news"]))
    finally:
        fleet.close()
    assert raws == sorted([json.dumps(GOOD).encode(), b"{broken", b"{broken"])
