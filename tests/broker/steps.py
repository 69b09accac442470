"""What the tests of this folder do over and over: fill a topic, classify it, read the outcome."""

import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ingest.broker import ClassifyLog, DocumentProducer, KafkaConfig, Retry, read_range
from ingest.record import Origin, Record


def fill(config: KafkaConfig, count: int, prefix: str = "d") -> list[str]:
    """Write ``count`` documents that are nothing but their id; return the ids."""
    ids = [f"{prefix}{i}" for i in range(count)]
    producer = DocumentProducer(config)
    producer.publish((config.topics[0], name, name.encode()) for name in ids)
    producer.close()
    return ids


def partition_of(series: str, partitions: int) -> int:
    return zlib.crc32(series.encode()) % partitions


def open_log(config: KafkaConfig, **callbacks: Callable[..., None]) -> ClassifyLog:
    """A log whose callbacks do nothing unless given."""
    calls = {"restore": lambda _origin, _time: None, "forget": lambda _origin: None, **callbacks}
    return ClassifyLog(config, partition_of, calls["restore"], calls["forget"])


def member(config: KafkaConfig, name: str) -> KafkaConfig:
    return replace(config, instance_id=name)


def take(log: ClassifyLog, count: int, seconds: float = 20.0) -> list[Record]:
    """Poll until ``count`` records have come."""
    records: list[Record] = []
    deadline = time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        records += log.poll(200)
    assert len(records) >= count, f"only {len(records)} of {count} came"
    return records


def take_one(log: ClassifyLog, seconds: float = 20.0) -> Record:
    """Poll until a single record has come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if records := log.poll(200, 1):
            return records[0]
    raise AssertionError("no record came")


def copy(log: ClassifyLog, records: list[Record]) -> None:
    """One reading a record, under its own id as series, and one mark."""
    texts = [r.raw.decode() for r in records]
    times = {r.origin: r.offset for r in records}
    log.commit([(t, t.encode()) for t in texts], [b"mark"], [], times)


def copy_until(
    log: ClassifyLog, done: Callable[[], bool], seconds: float = 60.0, batch: int = 7
) -> int:
    """Copy small batches until ``done``; return how often it had to try again."""
    again = 0
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        try:
            records = log.poll(100, batch)
            if records:
                copy(log, records)
        except Retry:
            again += 1
    return again


def outcome(config: KafkaConfig) -> Counter[str]:
    """How often each reading can be seen, without the marks."""
    texts = (r.raw.decode() for r in read_range(config, [config.readings_topic]))
    return Counter(text for text in texts if text != "mark")


def once(ids: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(ids, 1))


def origin(config: KafkaConfig, partition: int) -> Origin:
    return Origin(config.topics[0], partition)
