"""A place in a consumer group: what it was given, what it lost, how near the end it is.

The client runs rebalances on a thread of its own. So the listener only takes notes and pauses
what is new; the owner settles that in its own thread, before a record of it is handed out.
"""

import contextlib
import threading
from collections.abc import Iterable
from typing import Any

import kafka
import kafka.errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from ingest.broker.client import Clock, open_client, permanent
from ingest.kafka_settings import BrokerProblem, KafkaConfig, Retry
from ingest.record import Origin

ASK_TIMEOUT_MS = 500
SETTLE_TIMEOUT_MS = 3_000


class Membership(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """A read_committed consumer that never commits by itself."""

    def __init__(self, config: KafkaConfig, topics: tuple[str, ...], clock: Clock) -> None:
        self._clock = clock
        self._every_ms = config.contact_ms
        self._topics = topics
        self._lock = threading.Lock()
        self._lost: set[Any] = set()
        self._new: set[Any] = set()
        self._ends: dict[Any, tuple[int, int]] = {}
        self._idle: dict[Any, tuple[int, int]] = {}
        self._fresh: dict[Any, tuple[int, int]] = {}
        self._asked_at = 0
        self.last_contact = clock()
        self.consumer = open_client(
            kafka.KafkaConsumer,
            config,
            group_id=config.group,
            group_instance_id=config.instance_id,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            partition_assignment_strategy=[CooperativeStickyAssignor()],
            session_timeout_ms=config.session_timeout_ms,
            heartbeat_interval_ms=max(200, config.session_timeout_ms // 4),
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_wait_ms=250,
        )
        self.consumer.subscribe(topics=list(topics), listener=self)

    # On the client's thread: notes only, no call that waits.

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Keep new partitions silent until their owner has settled where to begin."""
        self.consumer.pause(*assigned)
        with self._lock:
            self._new.update(assigned)

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Note what is no longer ours."""
        with self._lock:
            self._lost.update(revoked)
            self._new.difference_update(revoked)

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        """As revoked; that it came too late shows when committing."""
        self.on_partitions_revoked(lost)

    # On the owner's thread.

    def changes(self) -> tuple[set[Any], set[Any]]:
        """Partitions lost since last asked, and new ones that are still silent."""
        with self._lock:
            lost, self._lost = self._lost, set()
            return lost, set(self._new)

    def poll(self, timeout_ms: int, max_records: int) -> dict[Any, list[Any]]:
        """Records by partition; empty when there are none and when the broker is away.

        Raises FencedOut, BrokerProblem, or Retry for what only this poll has met.
        """
        self._fresh = {}
        try:
            polled: dict[Any, list[Any]] = self.consumer.poll(timeout_ms, max_records)
        except kafka.errors.KafkaError as error:
            raise permanent(error) or Retry(f"polling failed ({error!r})") from error
        finally:
            self._keep_joining()
        if polled:
            self.last_contact = self._clock()
        self._ask_for_ends()
        return polled

    def _keep_joining(self) -> None:
        # The client (3.0.12) forgets a join that outlasts one poll if it was begun because the
        # topics' metadata changed: nobody collects its result, and the member gets nothing for
        # ever after. With the flag set the next poll collects it.
        coordinator = self.consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()

    def begin(self, partition: Any, offset: int | None = None) -> None:
        """Let ``partition`` speak, from ``offset`` (None: its beginning)."""
        with self._lock:
            if partition not in self._new:
                return
            self._new.discard(partition)
        # A rebalance on the client's thread may take it away at any moment.
        with contextlib.suppress(ValueError, KeyError):
            if offset is None:
                self.consumer.seek_to_beginning(partition)
            else:
                self.consumer.seek(partition, offset)
            self.consumer.resume(partition)

    def silence(self, partitions: Iterable[Any]) -> None:
        """Treat ``partitions``, as far as they are still ours, as new again."""
        still = set(partitions) & set(self.consumer.assignment())
        with contextlib.suppress(KeyError):
            self.consumer.pause(*still)
        with self._lock:
            self._new.update(still)

    def committed(self, partition: Any) -> Any:
        """The committed OffsetAndMetadata or None; waits for open transactions to end."""
        return self.consumer.committed(partition, metadata=True, timeout_ms=SETTLE_TIMEOUT_MS)

    def caught_up(self) -> dict[Any, tuple[int, int]]:
        """Partition to (seen_at, idle_ms) where the broker, asked in the last poll, held no more.

        Each answer is handed out once. ``seen_at`` is the wall clock just before the question: a
        log only grows, so a position that was the end in the answer was the end in the question.
        """
        fresh, self._fresh = self._fresh, {}
        silent = self.unsettled()
        return {tp: found for tp, found in fresh.items() if tp not in silent}

    def lag(self) -> dict[Any, int]:
        """Records (with transaction markers) between position and the last known end."""
        ours = self.consumer.assignment()
        return {tp: max(0, end - at) for tp, (at, end) in self._ends.items() if tp in ours}

    def close(self, timeout: float) -> None:
        """Leave the group (a static member only goes silent), within ``timeout`` seconds."""
        self.consumer.close(autocommit=False, timeout_ms=int(timeout * 1000))

    def _ask_for_ends(self) -> None:
        asked_at = self._clock()
        if asked_at - self._asked_at < self._every_ms:
            return
        self._asked_at = asked_at
        silent = self.unsettled()
        ours = [tp for tp in self.consumer.assignment() if tp not in silent]
        # A member without partitions asks too: the answer tells it that the broker lives.
        asked = ours or [kafka.TopicPartition(self._topics[0], 0)]
        try:
            ends = self.consumer.end_offsets(asked, timeout_ms=ASK_TIMEOUT_MS)
            places = {tp: self.consumer.position(tp, timeout_ms=ASK_TIMEOUT_MS) for tp in ours}
        except kafka.errors.KafkaError as error:
            problem = permanent(error)
            if isinstance(problem, BrokerProblem):
                raise problem from error
            return
        except KeyError:
            return  # the answer left a partition out
        self.last_contact = self._clock()
        self._note_ends(asked_at, places, ends)

    def unsettled(self) -> set[Any]:
        """Partitions that are not settled: lost ones and silent ones."""
        with self._lock:
            return self._lost | self._new

    def _note_ends(self, asked_at: int, places: dict[Any, Any], ends: dict[Any, int]) -> None:
        known = {tp: place for tp, place in places.items() if place is not None}
        self._ends = {tp: (place, ends[tp]) for tp, place in known.items()}
        idle: dict[Any, tuple[int, int]] = {}
        for tp, place in known.items():
            if place < ends[tp]:
                continue
            before = self._idle.get(tp)
            since = before[1] if before is not None and before[0] == place else asked_at
            idle[tp] = (place, since)
            self._fresh[tp] = (asked_at, asked_at - since)
        self._idle = idle


def origin_of(partition: Any) -> Origin:
    """The origin that a client's TopicPartition is to the rest of the program."""
    return Origin(partition.topic, partition.partition)
