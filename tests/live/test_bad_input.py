"""Ten thousand damaged messages through real Kafka: each is a reading or a dead letter."""

import json
import random

import pytest

from barograph.sample import sample_path
from benchmarks.fleet import Fleet, wait_until
from classifier.reading import Reading, decode
from ingest.broker import DocumentProducer, read_dead_letters, read_range
from ingest.dead_letters import from_json
from ingest.parse import Malformed, Policy, parse

MESSAGES = 10_000
ODD = [None, True, -1, 1e308, "", "\x00", "\ud83d", [], {}, ["x"] * 50, "9" * 400, "2099-01-01"]


def damaged(raw: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return raw  # not every sender is hostile
    if kind == 1:
        place = rng.randrange(len(raw))
        return raw[:place] + rng.randbytes(rng.randint(1, 4)) + raw[place + 1 :]
    if kind == 2:
        return raw[: rng.randrange(len(raw))]
    if kind == 3:
        return rng.randbytes(rng.randrange(200))
    if kind == 4:
        return raw.decode().encode(rng.choice(["utf-16", "cp1252", "utf-32"]), "replace")
    row = json.loads(raw)
    if kind == 5:
        row[rng.choice(list(row))] = rng.choice(ODD)
    elif kind == 6:
        del row[rng.choice(list(row))]
    else:
        row["text"] = rng.choice(["<b>", "&#0;", "\u202e", "a" * 30_000, "<" * 500]) + row["text"]
    return json.dumps(row).encode()


def messages(rng: random.Random) -> list[bytes]:
    whole = []
    for line in sample_path().read_bytes().splitlines():
        try:
            if json.loads(line).get("text"):
                whole.append(line)
        except ValueError:
            continue
    return [damaged(rng.choice(whole), rng) for _ in range(MESSAGES)]


@pytest.mark.kafka
@pytest.mark.timeout(300)
def test_every_message_is_counted_or_a_dead_letter(kafka_server, tmp_path):
    seed = random.randrange(10**6)
    settings = {"BAROGRAPH_SERIES_BY": "all", "BAROGRAPH_DEAD_LETTERS__SHARE_LIMIT": "1"}
    fleet = Fleet(tmp_path, settings)
    try:
        producer = DocumentProducer(fleet.config)
        for number, raw in enumerate(messages(random.Random(seed))):
            producer.send("news", str(number), raw)
        producer.flush()
        producer.close()
        fleet.add("classify", 2)
        fleet.add("watch", 1)
        wait_until(fleet.is_watched, 240, f"end of the messages of seed {seed}")
        good, bad = set(), {}
        for record in read_range(fleet.config, ["news"]):
            try:
                parse(record, Policy(key=b"any"), record.logged_at or 0)
                good.add((str(record.origin), record.offset))
            except Malformed:
                bad[str(record.origin), record.offset] = record.raw
        entries = [decode(record.raw) for record in read_range(fleet.config, ["readings"])]
        readings = [(e.origin, e.offset) for e in entries if isinstance(e, Reading)]
        letters = [from_json(raw) for _, _, raw in read_dead_letters(fleet.config)]
    finally:
        fleet.close()
    assert len(good) + len(bad) == MESSAGES
    assert len(good) > 2_000
    assert len(bad) > 2_000
    assert sorted(readings) == sorted(good), f"seed {seed}"
    found = {(str(one.record.origin), one.record.offset): one.record.raw for one in letters}
    assert found == bad, f"seed {seed}"
    assert len(letters) == len(bad), f"seed {seed}"
