"""Reading a range of a log that was written already; no group, no commit, nothing live touched."""

import heapq
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kafka
import kafka.errors

from ingest.broker.client import open_client, speaking
from ingest.broker.membership import origin_of
from ingest.kafka_settings import BrokerProblem, KafkaConfig
from ingest.record import Record

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
    consumer = open_client(
        kafka.KafkaConsumer,
        config,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
    )
    try:
        with speaking():
            yield from _Merge(consumer, topics, between).records()
    except kafka.errors.KafkaError as error:
        raise BrokerProblem(f"the range could not be read ({error!r})") from error
    finally:
        consumer.close(autocommit=False, timeout_ms=2_000)


def read_dead_letters(
    config: KafkaConfig,
    between: Between = Between(),
) -> Iterator[tuple[int, int, bytes]]:
    """Every dead letter that is there now: partition, offset and what was written."""
    for record in read_range(config, [config.dead_letter_topic], between):
        yield record.origin.partition, record.offset, record.raw


class _Merge:
    """Partitions side by side; each yields its next record when it is the oldest of all."""

    def __init__(self, consumer: Any, topics: Sequence[str], between: Between) -> None:
        self._consumer = consumer
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
        self._stops = {tp: stops[tp] for tp in partitions if starts[tp] < stops[tp]}
        self._buffers: dict[Any, deque[Any]] = {tp: deque() for tp in self._stops}
        consumer.assign(list(self._stops))
        for tp in self._stops:
            consumer.seek(tp, starts[tp])

    def records(self) -> Iterator[Record]:
        heads: list[tuple[int, Any]] = []
        waiting = set(self._stops)
        while True:
            for tp in self._fill(waiting):
                if self._buffers[tp]:
                    heapq.heappush(heads, (self._buffers[tp][0].timestamp, tp))
            waiting = set()
            if not heads:
                return
            _, tp = heapq.heappop(heads)
            raw = self._buffers[tp].popleft()
            stamp = raw.timestamp if raw.timestamp >= 0 else None
            yield Record(raw.value or b"", origin_of(tp), raw.offset, stamp)
            waiting = {tp}

    def _fill(self, waiting: set[Any]) -> set[Any]:
        """Poll until each of ``waiting`` has a record or is at its end."""
        patience = time.monotonic() + PATIENCE_S
        while any(not self._buffers[tp] and not self._finished(tp) for tp in waiting):
            hungry = [tp for tp in self._stops if not self._buffers[tp]]
            full = [tp for tp in self._stops if self._buffers[tp]]
            self._consumer.pause(*full)
            self._consumer.resume(*hungry)
            for tp, batch in self._consumer.poll(500).items():
                self._buffers[tp].extend(r for r in batch if r.offset < self._stops[tp])
                patience = time.monotonic() + PATIENCE_S
            if time.monotonic() > patience:
                raise BrokerProblem("the broker has stopped answering", "see that it runs")
        return waiting

    def _finished(self, tp: Any) -> bool:
        position = self._consumer.position(tp, timeout_ms=CALL_TIMEOUT_MS)
        return position is not None and position >= self._stops[tp]


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
