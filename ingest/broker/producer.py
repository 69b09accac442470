"""Putting documents into the log from outside: the HTTP endpoint, replayed dead letters."""

import time
from collections.abc import Iterable
from typing import Any

import kafka
import kafka.errors

from ingest.broker.client import LARGEST_MESSAGE, open_client, permanent
from ingest.kafka_settings import BrokerProblem, KafkaConfig


class DocumentProducer:
    """An idempotent producer that waits for all replicas; safe to share between threads.

    The key decides the partition: give the document's id, so that its versions keep their order.
    Raises BrokerProblem (Unreachable) where it cannot be built.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._outstanding: list[Any] = []
        self._client = open_client(
            kafka.KafkaProducer,
            config,
            acks="all",
            linger_ms=5,
            max_block_ms=5_000,
            request_timeout_ms=10_000,
            delivery_timeout_ms=30_000,
            max_request_size=LARGEST_MESSAGE,
            allow_auto_create_topics=False,
        )

    def publish(self, messages: Iterable[tuple[str, str, bytes]], timeout: float = 10.0) -> None:
        """Send (topic, key, raw) messages and return when all are safe.

        Raises BrokerProblem where any is not known to be safe after ``timeout`` seconds; some
        of them may be in the log then, and arrive twice if sent again.
        """
        self._wait([self._send(*message) for message in messages], timeout)

    def send(self, topic: str, key: str, raw: bytes) -> None:
        """Send one message in passing; for one thread only, which must ``flush``."""
        self._outstanding.append(self._send(topic, key, raw))

    def flush(self, timeout: float = 30.0) -> None:
        """Return when all that was passed to ``send`` is safe; raises as ``publish``."""
        waiting, self._outstanding = self._outstanding, []
        self._wait(waiting, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Send what is left, within ``timeout`` seconds."""
        try:
            self._client.close(timeout=timeout)
        except kafka.errors.KafkaError:
            self._client._sender.force_close()

    def _send(self, topic: str, key: str, raw: bytes) -> Any:
        try:
            return self._client.send(topic, value=raw, key=key.encode())
        except kafka.errors.KafkaError as error:
            raise _refused(error) from error

    def _wait(self, futures: list[Any], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for future in futures:
            try:
                future.get(timeout=max(0.0, deadline - time.monotonic()))
            except kafka.errors.KafkaError as error:
                raise _refused(error) from error


def _refused(error: Exception) -> BrokerProblem:
    known = permanent(error)
    if isinstance(known, BrokerProblem):
        return known
    return BrokerProblem(f"Kafka has not confirmed a message ({error!r})", "send it again later")
