"""What the two logs say of themselves, and what else goes through the broker."""

import time
from dataclasses import replace

import pytest

from ingest.broker import (
    Between,
    BrokerProblem,
    DocumentProducer,
    KafkaConfig,
    ReadingsLog,
    probe,
    read_dead_letters,
    read_range,
)
from ingest.kafka_settings import Unreachable
from tests.broker.steps import copy, fill, member, open_log, take
from tests.servers import PASSWORD, USER, KafkaServer, free_port

pytestmark = pytest.mark.kafka


def test_marks_go_to_every_partition_behind_the_readings(config: KafkaConfig) -> None:
    fill(config, 12)
    log = open_log(config)
    copy(log, take(log, 12))
    log.close()
    by_partition: dict[int, list[bytes]] = {}
    for record in read_range(config, [config.readings_topic]):
        by_partition.setdefault(record.origin.partition, []).append(record.raw)
    assert sorted(by_partition) == [0, 1]
    for values in by_partition.values():
        assert values[-1] == b"mark"
        assert values.count(b"mark") == 1


def test_caught_up_needs_the_brokers_word(broker: KafkaServer, config: KafkaConfig) -> None:
    fill(config, 12)
    log = open_log(member(config, "w1"))
    assert log.origins() == tuple(f"{config.topics[0]}/{i}" for i in range(4))
    copy(log, take(log, 12))
    found = _caught_up(log, 4)
    assert len(found) == 4
    assert all(seen_at <= time.time() * 1000 for seen_at, _ in found.values())
    idle = _caught_up(log, 4)
    assert all(idle[o][1] > found[o][1] for o in found), "the silence grows"
    assert set(log.lag().values()) <= {0, 1}
    assert log.healthy()
    broker.kill()
    log.poll(50)
    log.caught_up()
    until = time.monotonic() + 3
    started = time.monotonic()
    while time.monotonic() < until:
        assert log.poll(100) == []
        assert log.caught_up() == {}
    assert time.monotonic() - started < 6, "an absent broker must not hold the loop"
    assert not log.healthy(within_ms=2_000)
    broker.start()
    fill(config, 4, "new")
    copy(log, take(log, 4))
    assert len(_caught_up(log, 4)) == 4
    assert log.healthy()
    log.close()


def test_closing_does_not_wait_for_an_absent_broker(
    broker: KafkaServer, config: KafkaConfig
) -> None:
    fill(config, 4)
    log = open_log(config)
    take(log, 4)
    broker.kill()
    started = time.monotonic()
    log.close(2)
    assert time.monotonic() - started < 8


def test_a_readings_partition_is_silent_until_it_was_sought(config: KafkaConfig) -> None:
    fill(config, 30)
    classify = open_log(config)
    copy(classify, take(classify, 30))
    assigned: list[tuple[int, ...]] = []
    watch = replace(config, group=f"{config.group}-watch")
    log = ReadingsLog(watch, assigned.append, lambda _gone: None)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert log.poll(100) == {}
    assert assigned == [(0, 1)]
    log.seek(0, 3)
    entries = _entries(log, 2)
    assert entries.keys() == {0}
    assert entries[0][0][0] == 3
    log.seek(1, 0)
    entries = _entries(log, 2)
    assert entries.keys() == {1}
    assert entries[1][-1][1] == b"mark"
    assert log.next_offset(1) == entries[1][-1][0] + 1
    assert _until(lambda: (log.poll(50), len(log.caught_up()) == 2)[1])
    assert log.lag() == {0: 0, 1: 0}
    log.note({0: 5, 1: 6})
    assert _until(lambda: (log.poll(50), _committed(log, 1) == 6)[1])
    log.seek(0, 0)
    assert _entries(log, 2)[0][0][0] == 0
    log.close()
    classify.close()


def test_a_range_is_read_in_order_and_leaves_live_offsets_alone(config: KafkaConfig) -> None:
    ids = fill(config, 40)
    log = open_log(member(config, "w1"))
    copy(log, take(log, 40))
    time.sleep(0.05)
    middle = time.time()
    time.sleep(0.05)
    later = fill(config, 40, "later")
    everything = list(read_range(config, config.topics))
    assert sorted(r.raw.decode() for r in everything) == sorted(ids + later)
    assert everything == list(read_range(config, config.topics))
    stamps = [r.logged_at for r in everything]
    assert stamps == sorted(stamps)
    moment = (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(middle)) + f".{int(middle % 1 * 1e6):06}"
    )
    after = read_range(config, config.topics, Between(start=moment))
    assert sorted(r.raw.decode() for r in after) == sorted(later)
    before = read_range(config, config.topics, Between(end=moment + "+00:00"))
    assert sorted(r.raw.decode() for r in before) == sorted(ids)
    slice_ = list(read_range(config, config.topics, Between("2", "4")))
    assert {r.offset for r in slice_} == {2, 3}
    assert len(slice_) == 8
    fresh = take(log, 40)
    assert sorted(r.raw.decode() for r in fresh) == sorted(later)
    log.close()
    with pytest.raises(BrokerProblem, match="no place in a log"):
        list(read_range(config, config.topics, Between("yesterday")))
    with pytest.raises(BrokerProblem, match="there is no topic 'nowhere'"):
        list(read_range(config, ["nowhere"]))


def test_a_dead_letter_may_be_larger_than_any_message(config: KafkaConfig) -> None:
    fill(config, 1)
    log = open_log(config)
    take(log, 1)
    letter = b"x" * 3_000_000
    log.commit([], [], [letter, b"small"], {})
    log.close()
    assert sorted((v for _, _, v in read_dead_letters(config)), key=len) == [b"small", letter]


def test_a_reading_too_large_for_its_topic_stops_with_advice(config: KafkaConfig) -> None:
    fill(config, 1)
    log = open_log(config)
    take(log, 1)
    with pytest.raises(BrokerProblem, match=r"max\.message\.bytes"):
        log.commit([("s", b"x" * 3_000_000)], [], [], {})
    log.close()


def test_a_publisher_says_so_when_a_message_is_not_safe(
    broker: KafkaServer, config: KafkaConfig
) -> None:
    producer = DocumentProducer(config)
    producer.publish([(config.topics[0], "a", b"a")])
    producer.send(config.topics[0], "b", b"b")
    producer.flush()
    with pytest.raises(BrokerProblem):
        producer.publish([("nowhere", "a", b"a")])
    broker.kill()
    with pytest.raises(BrokerProblem, match="not confirmed"):
        producer.publish([(config.topics[0], "c", b"c")], timeout=1)
    producer.close(1)


def test_the_check_names_what_is_wrong(config: KafkaConfig) -> None:
    probe(config)
    with pytest.raises(BrokerProblem, match="topics are missing: nowhere"):
        probe(replace(config, topics=("nowhere",)))
    with pytest.raises(BrokerProblem, match=r"'sasl_mechanisn'.*did you mean 'sasl_mechanism'"):
        probe(replace(config, options={"sasl_mechanisn": "PLAIN"}))
    started = time.monotonic()
    with pytest.raises(Unreachable, match="no Kafka broker can be reached"):
        probe(replace(config, bootstrap_servers=(f"127.0.0.1:{free_port()}",)))
    assert time.monotonic() - started < 5
    tls = {"security_protocol": "SSL", "bootstrap_timeout_ms": "2000"}
    with pytest.raises(BrokerProblem, match="compare security_protocol"):
        probe(replace(config, options=tls))


def test_a_login_is_passed_on_and_a_wrong_one_is_named(
    broker: KafkaServer, config: KafkaConfig
) -> None:
    login = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": USER,
        "sasl_plain_password": PASSWORD,
    }
    login["bootstrap_timeout_ms"] = "2000"
    there = replace(config, bootstrap_servers=(broker.login_bootstrap,))
    probe(replace(there, options=login))
    with pytest.raises(BrokerProblem, match="a refused login looks like this") as refused:
        probe(replace(there, options={**login, "sasl_plain_password": "wrong"}))
    assert "wrong" not in str(refused.value)


def test_the_check_leaves_a_running_member_alone(config: KafkaConfig) -> None:
    fill(config, 4)
    log = open_log(member(config, "w1"))
    records = take(log, 4)
    probe(member(config, "w1"))
    copy(log, records)
    log.close()


def _caught_up(log, wanted):
    found = {}
    deadline = time.monotonic() + 10
    while len(found) < wanted and time.monotonic() < deadline:
        assert log.poll(50) == []
        found.update(log.caught_up())
    return found


def _until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
    return False


def _entries(log, seconds):
    entries = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for partition, batch in log.poll(100).items():
            entries.setdefault(partition, []).extend(batch)
    return entries


def _committed(log, partition):
    return log._membership.consumer.committed(log._partition(partition), timeout_ms=1000)
