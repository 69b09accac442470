"""What the watch stage knows of Kafka: which readings partitions are its own, and their entries.

Its offsets live with its windows in the store. Those that it notes in Kafka only let the usual
lag tools see them; nobody reads them back.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import kafka
import kafka.errors

from ingest.broker.client import Clock, wall_clock
from ingest.broker.membership import Membership
from ingest.kafka_settings import BrokerProblem, KafkaConfig

Partitions = Callable[[tuple[int, ...]], None]


class ReadingsLog:
    """A member of the watch group (``config.group``: not the classify stage's); for one thread.

    ``assigned(partitions)`` must ``seek`` each of them, now or later: until then a partition
    stays silent. ``revoked(partitions)`` comes after the fact, so writes must be fenced by the
    store. Both are called from ``poll`` in the caller's thread.

    Raises BrokerProblem (Unreachable) where it cannot be built.
    """

    def __init__(
        self,
        config: KafkaConfig,
        assigned: Partitions,
        revoked: Partitions,
        clock: Clock = wall_clock,
    ) -> None:
        self._topic = config.readings_topic
        self._assigned = assigned
        self._revoked = revoked
        self._clock = clock
        self._told: set[int] = set()
        self._next: dict[int, int] = {}
        self._membership = Membership(config, (config.readings_topic,), clock)

    def poll(
        self, timeout_ms: int = 500, max_records: int = 5_000
    ) -> dict[int, list[tuple[int, bytes]]]:
        """Entries (offset, value) by partition; empty when idle or when the broker is away.

        Offsets have gaps (transaction markers). Raises Retry (poll again), FencedOut,
        BrokerProblem.
        """
        polled = self._membership.poll(timeout_ms, max_records)
        self._tell_changes()
        entries: dict[int, list[tuple[int, bytes]]] = {}
        for tp, batch in polled.items():
            expected = self._next.get(tp.partition)
            if expected is None:
                continue  # taken away while it was being fetched
            if batch[0].offset < expected:
                raise BrokerProblem(
                    f"{tp.topic}/{tp.partition} goes on at {batch[0].offset}, before {expected}",
                    "the topic was made anew: clear what the store holds of this partition",
                )
            entries[tp.partition] = [(raw.offset, raw.value or b"") for raw in batch]
            self._next[tp.partition] = batch[-1].offset + 1
        return entries

    def seek(self, partition: int, offset: int) -> None:
        """Continue ``partition`` at ``offset``; ignored where it is no longer ours."""
        tp = self._partition(partition)
        if partition not in self._told:
            return
        self._membership.silence([tp])
        self._membership.begin(tp, offset)
        self._next[partition] = offset

    def partitions(self) -> tuple[int, ...]:
        """The partitions that are ours, sought or not."""
        return tuple(sorted(self._told))

    def next_offset(self, partition: int) -> int | None:
        """Where the next poll goes on; None before ``seek``."""
        return self._next.get(partition)

    def note(self, offsets: Mapping[int, int]) -> None:
        """Show these next offsets to lag tools; does not wait, and a failure does not matter."""
        ours = {
            self._partition(partition): kafka.structs.OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
            if partition in self._told
        }
        if ours:
            with contextlib.suppress(kafka.errors.KafkaError):
                self._membership.consumer.commit_async(ours)

    def caught_up(self) -> dict[int, tuple[int, int]]:
        """Partition to (seen_at, idle_ms), as ``ClassifyLog.caught_up``."""
        found = self._membership.caught_up()
        return {tp.partition: at for tp, at in found.items() if tp.partition in self._next}

    def lag(self) -> dict[int, int]:
        """Records behind, by partition, when the broker was last asked."""
        return {tp.partition: behind for tp, behind in self._membership.lag().items()}

    def last_contact(self) -> int:
        """Wall clock (ms) of the broker's last answer."""
        return self._membership.last_contact

    def healthy(self, within_ms: int = 10_000) -> bool:
        """Whether the broker has answered within ``within_ms``."""
        return self._clock() - self.last_contact() <= within_ms

    def close(self, timeout: float = 5.0) -> None:
        """Leave within ``timeout`` seconds."""
        self._membership.close(timeout)

    def _tell_changes(self) -> None:
        lost, new = self._membership.changes()
        gone = tuple(sorted(tp.partition for tp in lost if tp.partition in self._told))
        for partition in gone:
            self._told.discard(partition)
            self._next.pop(partition, None)
        if gone:
            self._revoked(gone)
        fresh = tuple(sorted(tp.partition for tp in new if tp.partition not in self._told))
        self._told.update(fresh)
        if fresh:
            self._assigned(fresh)

    def _partition(self, partition: int) -> Any:
        return kafka.TopicPartition(self._topic, partition)
