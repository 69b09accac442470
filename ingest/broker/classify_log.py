"""Read, process, write, exactly once: what the classify stage knows of Kafka.

The records of a batch, what came of them and how far event time had got are committed in one
transaction, or none of it is.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import kafka
import kafka.errors

from ingest.broker.client import Clock, permanent, wall_clock
from ingest.broker.membership import Membership, origin_of
from ingest.broker.transaction import Message, TransactionalProducer
from ingest.kafka_settings import BrokerProblem, FencedOut, KafkaConfig, Retry, Unreachable
from ingest.record import Origin, Record

Restore = Callable[[Origin, int], None]
Forget = Callable[[Origin], None]


class ClassifyLog:
    """A member of the classify group; for one thread.

    ``partition_of(series, partitions)`` names a reading's partition. ``restore(origin, ms)`` is
    called before the first record of an origin, with the greatest event time committed for it
    (not called where there is none); ``forget(origin)`` when the origin is gone or begins again
    at its last commit. Both are called from ``poll`` and ``commit`` in the caller's thread.

    Raises BrokerProblem (Unreachable) where it cannot be built. Any method may raise FencedOut,
    after which the object is of no more use.
    """

    def __init__(
        self,
        config: KafkaConfig,
        partition_of: Callable[[str, int], int],
        restore: Restore,
        forget: Forget,
        clock: Clock = wall_clock,
    ) -> None:
        self._config = config
        self._partition_of = partition_of
        self._restore = restore
        self._forget = forget
        self._clock = clock
        self._times: dict[Any, int | None] = {}
        self._pending: dict[Any, int] = {}
        self._member: Any = None
        self._broken = False
        self._spoiled = False
        self._counts: dict[str, int] = {}
        self._counted_at = clock()
        name = config.instance_id or uuid.uuid4().hex
        # A stable id lets a restart end the dead process' transaction at once. It must be open
        # before the first committed offset is read.
        self._producer = TransactionalProducer(config, f"{config.group}-{name}")
        self._producer.open()
        try:
            self._count_partitions()
            self._readings = self._counts[config.readings_topic]
            self._membership = Membership(config, config.topics, clock)
        except BaseException:
            self._producer.drop()
            raise

    def poll(self, timeout_ms: int = 500, max_records: int = 256) -> list[Record]:
        """New records, each origin's in its order; empty when idle or when the broker is away.

        Several polls may precede one commit. Raises Retry as ``commit`` does, FencedOut,
        BrokerProblem.
        """
        if not self._reopened():
            time.sleep(min(timeout_ms, 500) / 1000)
            return []
        try:
            polled = self._membership.poll(timeout_ms, max_records)
        except FencedOut:
            self._broken = True
            raise
        except Retry:
            self._rewind()
            raise
        # Taken now and not when committing: by then a rebalance or an eviction may have changed
        # it, and the broker could no longer tell that these records are not ours any more.
        member = self._membership.consumer.group_metadata()
        self._settle()
        records: list[Record] = []
        for partition, batch in polled.items():
            if partition not in self._times:
                continue
            origin = origin_of(partition)
            records.extend(
                Record(raw.value or b"", origin, raw.offset, _stamp(raw.timestamp)) for raw in batch
            )
            self._pending[partition] = batch[-1].offset + 1
        if records:
            self._member = member
        return records

    def commit(
        self,
        readings: Sequence[tuple[str, bytes]],
        marks: Sequence[bytes],
        dead: Sequence[bytes],
        times: Mapping[Origin, int | None],
    ) -> None:
        """Write everything and commit all that was polled, in one transaction.

        ``readings`` are (series, value) pairs; every mark goes to every readings partition,
        behind the readings; ``times`` are the greatest event times by origin, kept with the
        offsets. Raises Retry where nothing of it counts: then the origins have been forgotten
        and begin again at their last commit. Raises FencedOut, BrokerProblem.
        """
        self._refuse_if_broken()
        try:
            self._refuse_if_lost()
            offsets = {
                partition: kafka.structs.OffsetAndMetadata(
                    offset, _note(times.get(origin_of(partition), None), self._times[partition]), -1
                )
                for partition, offset in self._pending.items()
            }
            self._producer.write(self._messages(readings, marks, dead), offsets, self._member)
        except FencedOut:
            self._broken = True
            raise
        except Exception:
            self._rewind()
            raise
        for partition in self._pending:
            self._times[partition] = _parse(offsets[partition].metadata)
        self._pending.clear()
        self._membership.last_contact = self._clock()

    def origins(self) -> tuple[str, ...]:
        """Every partition of every topic of the stream ("news/0", ...), also those of others."""
        now = self._clock()
        if self._producer.is_open and now - self._counted_at > RECOUNT_MS:
            self._counted_at = now
            with contextlib.suppress(BrokerProblem):
                self._count_partitions()
        return tuple(f"{t}/{i}" for t in self._config.topics for i in range(self._counts[t]))

    @property
    def readings_partitions(self) -> int:
        """How many partitions the readings topic had at the start; it must not change."""
        return self._readings

    def caught_up(self) -> dict[Origin, tuple[int, int]]:
        """Origin to (seen_at, idle_ms) where the broker, asked in the last poll, held no more.

        The broker is asked about once in ``contact_ms``; each answer is handed out once. Says
        nothing while the broker is away.
        """
        if not self._producer.is_open:
            return {}
        found = self._membership.caught_up()
        return {origin_of(tp): at for tp, at in found.items() if tp in self._times}

    def lag(self) -> dict[Origin, int]:
        """Records behind, by origin, when the broker was last asked."""
        return {origin_of(tp): behind for tp, behind in self._membership.lag().items()}

    def last_contact(self) -> int:
        """Wall clock (ms) of the broker's last answer."""
        return self._membership.last_contact

    def healthy(self, within_ms: int = 10_000) -> bool:
        """Whether the broker has answered within ``within_ms`` and this member can write."""
        recent = self._clock() - self.last_contact() <= within_ms
        return recent and self._producer.is_open and not self._broken

    def close(self, timeout: float = 5.0) -> None:
        """Leave within ``timeout`` seconds; what was not committed is polled by the next member.

        No transaction is open between two commits, so there is nothing to wait for. A static
        member keeps its partitions for a session timeout, for its successor.
        """
        self._producer.drop()
        self._membership.close(timeout)

    def _messages(
        self, readings: Iterable[tuple[str, bytes]], marks: Sequence[bytes], dead: Iterable[bytes]
    ) -> list[Message]:
        topic, count = self._config.readings_topic, self._readings
        messages: list[Message] = [
            (topic, self._partition_of(series, count), series.encode(), value)
            for series, value in readings
        ]
        messages += [(topic, index, None, mark) for index in range(count) for mark in marks]
        messages += [(self._config.dead_letter_topic, None, None, letter) for letter in dead]
        return messages

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise FencedOut("this log was fenced out before: build a new one")

    def _refuse_if_lost(self) -> None:
        if not self._producer.is_open:
            raise Retry("the connection for writing is being renewed")
        if not self._pending:
            return
        if self._spoiled or self._pending.keys() & self._membership.unsettled():
            raise Retry("a partition went to another member before the commit")
        # Without a member id the broker would take the offsets unchecked.
        if self._member is None or self._member.generation_id < 0 or not self._member.member_id:
            raise Retry("this member was evicted from the group")

    def _reopened(self) -> bool:
        """Whether there is a producer, opened again if need be."""
        self._refuse_if_broken()
        if self._producer.is_open:
            return True
        try:
            self._producer.open()
        except (Unreachable, Retry):
            return False
        return True

    def _settle(self) -> None:
        """Forget what is lost, begin what is new where it was last committed."""
        lost, new = self._membership.changes()
        for partition in lost:
            if self._times.pop(partition, _ABSENT) is not _ABSENT:
                self._forget(origin_of(partition))
            # Even if it comes back, it comes back at its last commit.
            self._spoiled = self._spoiled or partition in self._pending
        for partition in sorted(new):
            try:
                committed = self._membership.committed(partition)
            except kafka.errors.KafkaError as error:
                problem = permanent(error)
                if problem is not None:
                    raise problem from error
                return  # silent until the broker answers
            greatest = _parse(committed.metadata) if committed is not None else None
            self._times[partition] = greatest
            if greatest is not None:
                self._restore(origin_of(partition), greatest)
            self._membership.begin(partition, committed.offset if committed is not None else None)

    def _rewind(self) -> None:
        """Begin every partition again at its last commit, as read from the broker."""
        self._membership.silence(self._times)
        for partition in self._times:
            self._forget(origin_of(partition))
        self._times.clear()
        self._pending.clear()
        self._spoiled = False
        self._member = None

    def _count_partitions(self) -> None:
        names = (*self._config.topics, self._config.readings_topic)
        for name in names:
            # A topic never loses partitions; less is a broker that has not caught up itself.
            count = self._producer.partitions(name)
            self._counts[name] = max(count, self._counts.get(name, 0))


_ABSENT = object()
RECOUNT_MS = 30_000


def _stamp(timestamp: int) -> int | None:
    return timestamp if timestamp >= 0 else None


def _note(newest: int | None, before: int | None) -> str:
    """An event time as an offset's metadata; an origin without news keeps what it had."""
    known = newest if newest is not None else before
    return "" if known is None else f"t={known}"


def _parse(metadata: str | None) -> int | None:
    if not metadata or not metadata.startswith("t="):
        return None
    digits = metadata[2:]
    return int(digits) if digits.lstrip("-").isdigit() else None
