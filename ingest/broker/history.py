"""Reading a range of a log that was written already; no group, no commit, nothing live touched."""

import contextlib
import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kafka
import kafka.errors

from ingest.broker.client import open_client, speaking
from ingest.kafka_settings import BrokerProblem, KafkaConfig
from ingest.record import Origin, Record

PATIENCE_S = 30.0
CALL_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Between:
    """From (inclusive) to (exclusive): "beginning", "end", an offset or an ISO 8601 time.

    An offset holds for every partition. A time without a zone is UTC. "end" is where the log
    ends when the reading begins.
    """

    start: str = "beginning"
    end: str = "end"


def read_range(
    config: KafkaConfig,
    topics: Sequence[str],
    between: Between = Between(),
) -> Iterator[Record]:
    """The records of ``topics``, by their time in the log where the partitions' orders allow it.

    The order is the same on every call over the same range. Raises BrokerProblem.
    """
    try:
        with contextlib.ExitStack() as stack, speaking():
            ranges = _ranges(stack, config, topics, between)
            streams = [_read(_consumer(stack, config), tp, *ends) for tp, ends in ranges.items()]
            for raw in heapq.merge(*streams, key=lambda r: (r.timestamp, r.topic, r.partition)):
                stamp = raw.timestamp if raw.timestamp >= 0 else None
                origin = Origin(raw.topic, raw.partition)
                yield Record(raw.value or b"", origin, raw.offset, stamp)
    except kafka.errors.KafkaError as error:
        raise BrokerProblem(f"the range could not be read ({error!r})") from error


def read_dead_letters(
    config: KafkaConfig,
    between: Between = Between(),
) -> Iterator[tuple[int, int, bytes]]:
    """Every dead letter that is there now: partition, offset and what was written."""
    for record in read_range(config, [config.dead_letter_topic], between):
        yield record.origin.partition, record.offset, record.raw


def _consumer(stack: contextlib.ExitStack, config: KafkaConfig) -> Any:
    consumer = open_client(
        kafka.KafkaConsumer,
        config,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
    )
    stack.callback(consumer.close, autocommit=False, timeout_ms=2_000)
    return consumer


def _ranges(
    stack: contextlib.ExitStack, config: KafkaConfig, topics: Sequence[str], between: Between
) -> dict[Any, tuple[int, int]]:
    """Each partition that holds anything of the range: its first offset and the one behind."""
    consumer = _consumer(stack, config)
    partitions = sorted(
        kafka.TopicPartition(topic, index)
        for topic in dict.fromkeys(topics)
        for index in _existing(consumer, topic)
    )
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions, timeout_ms=CALL_TIMEOUT_MS)
    begins = consumer.beginning_offsets(partitions, timeout_ms=CALL_TIMEOUT_MS)
    starts = _resolve(consumer, between.start, begins, ends)
    stops = _resolve(consumer, between.end, begins, ends)
    return {tp: (starts[tp], stops[tp]) for tp in partitions if starts[tp] < stops[tp]}


def _read(consumer: Any, tp: Any, start: int, stop: int) -> Iterator[Any]:
    """The client's records of one partition.

    Each partition has a consumer of its own: with one for all, those that are ahead would have
    to be paused, and the client (3.0.12) can lose sight of what it fetched before a pause.
    """
    consumer.assign([tp])
    consumer.seek(tp, start)
    patience = time.monotonic() + PATIENCE_S
    while (consumer.position(tp, timeout_ms=CALL_TIMEOUT_MS) or start) < stop:
        polled = consumer.poll(500).get(tp, [])
        if polled:
            patience = time.monotonic() + PATIENCE_S
        elif time.monotonic() > patience:
            raise BrokerProblem("the broker has stopped answering", "see that it runs")
        yield from (raw for raw in polled if raw.offset < stop)


def _existing(consumer: Any, topic: str) -> list[int]:
    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        raise BrokerProblem(f"there is no topic {topic!r}", "correct its name")
    return sorted(partitions)


def _resolve(
    consumer: Any, place: str, begins: dict[Any, int], ends: dict[Any, int]
) -> dict[Any, int]:
    if place == "beginning":
        return begins
    if place == "end":
        return ends
    if place.isdigit():
        return {tp: min(max(int(place), begins[tp]), ends[tp]) for tp in ends}
    wanted = dict.fromkeys(ends, _milliseconds(place))
    found = consumer.offsets_for_times(wanted, timeout_ms=CALL_TIMEOUT_MS)
    return {tp: min(found[tp].offset, ends[tp]) if found.get(tp) else ends[tp] for tp in ends}


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        advice = "say beginning, end, an offset, or a time such as 2022-01-21T14:00:00Z"
        raise BrokerProblem(f"{text!r} is no place in a log", advice) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
