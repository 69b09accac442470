"""Writing a batch in one Kafka transaction, in bounded time.

A producer whose transaction failed is thrown away, never reused: the client (3.0.12) keeps the
offsets of a failed transaction and would send them again with the next one, which could set
back a partition that has gone to another member. A new producer under the same transactional id
ends whatever the old one left open.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import kafka
import kafka.errors

from ingest.broker.client import LARGEST_MESSAGE, open_client, permanent, speaking
from ingest.kafka_settings import BrokerProblem, KafkaConfig, Retry

# Topic, partition (None: by key), key, value.
Message = tuple[str, int | None, bytes | None, bytes]
OPEN_TIMEOUT_MS = 10_000


class TransactionalProducer:
    """A producer under a fixed transactional id that can lose its client and open a new one."""

    def __init__(self, config: KafkaConfig, transactional_id: str) -> None:
        self._config = config
        self._id = transactional_id
        self._client: Any = None

    @property
    def is_open(self) -> bool:
        """Whether a transaction can begin."""
        return self._client is not None

    def open(self) -> None:
        """Connect, and end what an earlier holder of the id left open.

        Raises Unreachable, BrokerProblem, or Retry where the coordinator is not there yet.
        """
        client = open_client(
            kafka.KafkaProducer,
            self._config,
            transactional_id=self._id,
            transaction_timeout_ms=self._config.transaction_timeout_ms,
            delivery_timeout_ms=self._config.transaction_timeout_ms,
            request_timeout_ms=min(10_000, self._config.transaction_timeout_ms * 2 // 3),
            max_block_ms=OPEN_TIMEOUT_MS,
            max_request_size=LARGEST_MESSAGE,
            allow_auto_create_topics=False,
            # A flush ends the wait, so this only keeps batches from leaving half full.
            linger_ms=50,
            batch_size=256 * 1024,
        )
        try:
            with speaking():
                client.init_transactions()
        except kafka.errors.KafkaError as error:
            _discard(client)
            raise Retry(f"the transaction coordinator is not ready ({error!r})") from error
        except Exception:
            _discard(client)
            raise
        self._client = client

    def partitions(self, topic: str) -> int:
        """How many partitions ``topic`` has; raises BrokerProblem where it does not exist."""
        try:
            with speaking():
                return len(self._client.partitions_for(topic))
        except kafka.errors.KafkaError as error:
            raise BrokerProblem(f"topic {topic!r} is not there ({error!r})", "create it") from error

    def write(self, messages: Sequence[Message], offsets: Mapping[Any, Any], member: Any) -> None:
        """Write ``messages`` and commit ``offsets`` for ``member``, both or neither.

        Raises Retry where it is not known to be done (the client is gone then; what became of
        the batch shows in the committed offsets after ``open``), FencedOut or BrokerProblem.
        """
        client = self._client
        try:
            # The client waits for a lost broker without limit.
            within(
                self._config.transaction_timeout_ms / 1000,
                lambda: _transact(client, messages, offsets, member),
            )
        except Exception as error:
            self.drop()
            if not isinstance(error, (kafka.errors.KafkaError, TimeoutError)):
                raise
            raise permanent(error) or Retry(f"the transaction failed ({error!r})") from error

    def drop(self) -> None:
        """Throw the client away at once, with anything it has not sent."""
        client, self._client = self._client, None
        if client is not None:
            _discard(client)


def _transact(client: Any, messages: Sequence[Message], offsets: Any, member: Any) -> None:
    client.begin_transaction()
    sent = [
        client.send(topic, value, key=key, partition=partition)
        for topic, partition, key, value in messages
    ]
    # All must be confirmed before the commit begins: the client reports a commit as done when a
    # write fails so late that it has to renew its epoch.
    client.flush()
    for future in sent:
        if not future.succeeded():
            raise future.exception or kafka.errors.KafkaError("a write was not confirmed")
    if offsets:
        client.send_offsets_to_transaction(offsets, member)
    client.commit_transaction()


def _discard(client: Any) -> None:
    # close() alone would first wait for what can no longer be sent.
    client._sender.force_close()
    client._sender.join(2)
    with contextlib.suppress(kafka.errors.KafkaError):
        client.close(timeout=0)


def within(seconds: float, work: Callable[[], None]) -> None:
    """Run ``work``, raising what it raises, or TimeoutError where it does not come back."""
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
            outcome.append(None)
        except BaseException as error:  # handed to the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=run, name="transaction", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer from Kafka in {seconds:.0f} s")
    if outcome[0] is not None:
        raise outcome[0]
