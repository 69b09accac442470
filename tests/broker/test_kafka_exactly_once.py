"""Every document yields exactly one visible reading, whatever is killed."""

import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import kafka
import pytest

from ingest.broker import FencedOut, KafkaConfig, Retry
from tests.broker.steps import (
    copy,
    copy_until,
    fill,
    member,
    once,
    open_log,
    origin,
    outcome,
    take,
    take_one,
)
from tests.servers import KafkaServer

pytestmark = pytest.mark.kafka


def test_a_process_killed_in_its_transactions_loses_and_repeats_nothing(
    config: KafkaConfig,
) -> None:
    ids = fill(config, 300)
    settings = json.dumps(asdict(member(config, "w1")))
    chance = random.Random(7)
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.broker.copier", settings], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(chance.randrange(1, 6)):
            assert child.stdout.readline(), "the copier died by itself"
        time.sleep(chance.random() * 0.05)
        child.kill()
        child.wait()
        child.stdout.close()
    assert 0 < len(outcome(config)) < 300, "the kills must come in the middle"
    log = open_log(member(config, "w1"))
    copy_until(log, lambda: len(outcome(config)) >= 300, batch=50)
    log.close()
    assert outcome(config) == once(ids)


def test_the_older_of_two_processes_with_one_instance_id_is_fenced_out(
    config: KafkaConfig,
) -> None:
    ids = fill(config, 20)
    older = open_log(member(config, "w1"))
    records = take(older, 20)
    newer = open_log(member(config, "w1"))
    try:
        with pytest.raises(FencedOut):
            copy(older, records)
        with pytest.raises(FencedOut):
            older.poll(100)
        copy_until(newer, lambda: len(outcome(config)) >= 20)
        assert outcome(config) == once(ids)
    finally:
        older.close(1)
        newer.close(1)


def test_a_broker_killed_and_restarted_in_the_middle_costs_nothing(
    broker: KafkaServer, config: KafkaConfig
) -> None:
    ids = fill(config, 400)
    # Longer than a restart takes, or the broker would rightly end the transaction meanwhile.
    log = open_log(replace(member(config, "w1"), transaction_timeout_ms=30_000))
    copied = threading.Event()

    def kill_and_restart() -> None:
        copied.wait(20)
        broker.kill()
        time.sleep(1)
        broker.start()

    chaos = threading.Thread(target=kill_and_restart)
    chaos.start()
    count = 0
    deadline = time.monotonic() + 60
    while count < 400 and time.monotonic() < deadline:
        try:
            records = log.poll(100, 7)
            if records:
                copy(log, records)
                count += len(records)
        except Retry:
            continue
        if count > 50:
            copied.set()
    chaos.join()
    assert count >= 400, f"{count} copied, contact {log.healthy()}"
    log.close()
    assert outcome(config) == once(ids)


def test_a_batch_whose_partition_was_taken_away_is_refused_and_rewound(
    config: KafkaConfig,
) -> None:
    ids = fill(config, 40)
    forgotten: list[object] = []
    first = open_log(config, forget=forgotten.append)
    stale = take(first, 40)
    second = open_log(config)
    finished = threading.Event()
    helper = threading.Thread(target=copy_until, args=(second, finished.is_set))
    helper.start()
    deadline = time.monotonic() + 20
    while not forgotten and time.monotonic() < deadline:
        assert not first.poll(100), "all had been polled before"
    with pytest.raises(Retry):
        copy(first, stale)
    copy_until(first, lambda: len(outcome(config)) >= 40)
    finished.set()
    helper.join()
    first.close()
    second.close()
    assert outcome(config) == once(ids)


def test_an_evicted_member_cannot_commit_what_it_still_holds(config: KafkaConfig) -> None:
    ids = fill(config, 20)
    quick = replace(config, session_timeout_ms=1_500)
    slow = open_log(quick)
    stale = take(slow, 20)
    # What a stopped process looks like to the group: its heart does not beat.
    slow._membership.consumer._coordinator._disable_heartbeat()
    second = open_log(quick)
    copy_until(second, lambda: len(outcome(config)) >= 20)
    with pytest.raises(Retry):
        copy(slow, stale)
    assert outcome(config) == once(ids)
    slow.close(1)
    second.close(1)


def test_two_members_share_the_work_and_hand_it_over_cleanly(config: KafkaConfig) -> None:
    ids = fill(config, 200)
    first = open_log(config)
    copy(first, take(first, 1))
    second = open_log(config)
    done = threading.Event()
    helper = threading.Thread(target=copy_until, args=(second, done.is_set))
    helper.start()
    copy_until(first, lambda: bool(second.lag()) and len(second.lag()) == 2, seconds=20)
    assert len(second.lag()) == 2, "each holds two of four partitions"
    ids += fill(config, 100, "late")
    copy_until(first, lambda: len(outcome(config)) >= 300, seconds=30)
    done.set()
    helper.join()
    second.close()
    ids += fill(config, 20, "last")
    copy_until(first, lambda: len(outcome(config)) >= 320, seconds=30)
    first.close()
    assert outcome(config) == once(ids)


def test_a_failed_transaction_leaves_no_offset_behind_for_the_next_one(
    config: KafkaConfig,
) -> None:
    fill(config, 40)
    log = open_log(config)
    records = take(log, 40)
    log._member = log._member._replace(generation_id=log._member.generation_id + 5)
    with pytest.raises(Retry):
        copy(log, records)
    one = take_one(log)
    copy(log, [one])
    consumer = log._membership.consumer
    for partition in consumer.assignment():
        expected = one.offset + 1 if partition.partition == one.origin.partition else None
        assert consumer.committed(partition, timeout_ms=5_000) == expected
    assert len(outcome(config)) == 1
    log.close()


def test_new_partitions_are_taken_up_also_when_the_join_outlasts_many_polls(
    broker: KafkaServer, config: KafkaConfig
) -> None:
    fill(config, 8)
    log = open_log(member(config, "w1"))
    take(log, 8)
    for count in (5, 6, 7, 8):
        admin = kafka.KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        admin.create_partitions({config.topics[0]: count})
        admin.close()
        log._membership.consumer._cluster.request_update()
        deadline = time.monotonic() + 10
        while len(log.lag()) < count and time.monotonic() < deadline:
            log.poll(1)
        assert len(log.lag()) == count
    log.close()


def test_the_greatest_event_times_come_back_after_a_restart(config: KafkaConfig) -> None:
    fill(config, 40)
    log = open_log(member(config, "w1"))
    records = take(log, 40)
    times = {r.origin: 1_700_000_000_000 + r.origin.partition for r in records}
    log.commit([], [], [], times)
    log.close()
    fill(config, 4, "more")
    restored: dict[object, int] = {}
    log = open_log(member(config, "w1"), restore=restored.__setitem__)
    more = take(log, 4)
    assert restored == {origin(config, p): 1_700_000_000_000 + p for p in range(4)}
    log.commit([], [], [], {r.origin: None for r in more})
    log.close()
    restored.clear()
    log = open_log(member(config, "w1"), restore=restored.__setitem__)
    deadline = time.monotonic() + 10
    while len(restored) < 4 and time.monotonic() < deadline:
        log.poll(100)
    assert restored == {origin(config, p): 1_700_000_000_000 + p for p in range(4)}
    log.close()


def test_after_a_retry_the_times_are_those_of_the_last_commit(config: KafkaConfig) -> None:
    fill(config, 40)
    seen: list[tuple[str, object]] = []
    log = open_log(
        config,
        restore=lambda o, t: seen.append(("restore", (o.partition, t))),
        forget=lambda o: seen.append(("forget", o.partition)),
    )
    records = take(log, 40)
    log.commit([], [], [], {r.origin: 1000 for r in records})
    fill(config, 40, "more")
    more = take(log, 40)
    log._producer.drop()
    with pytest.raises(Retry):
        log.commit([], [], [], {r.origin: 2000 for r in more})
    take(log, 40)
    assert sorted(seen[:4]) == [("forget", p) for p in range(4)]
    assert sorted(seen[4:]) == [("restore", (p, 1000)) for p in range(4)]
    log.close()
