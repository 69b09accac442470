"""A real Kafka for this folder, and topics of its own for each test."""

import uuid
from collections.abc import Iterator

import pytest

from ingest.broker import KafkaConfig, ensure_topics
from tests.servers import KafkaServer


@pytest.fixture
def broker(kafka_server: KafkaServer) -> Iterator[KafkaServer]:
    """The running server; a test may kill it and need not start it again."""
    yield kafka_server
    if not kafka_server.running:
        kafka_server.start()


@pytest.fixture
def config(broker: KafkaServer) -> KafkaConfig:
    """Fresh topics: documents in 4 partitions, readings in 2, dead letters in 1."""
    name = uuid.uuid4().hex[:8]
    made = KafkaConfig(
        bootstrap_servers=(broker.bootstrap,),
        topics=(f"news-{name}",),
        readings_topic=f"readings-{name}",
        dead_letter_topic=f"dead-{name}",
        group=f"classify-{name}",
        session_timeout_ms=3_000,
        transaction_timeout_ms=6_000,
        contact_ms=200,
    )
    counts = {made.topics[0]: 4, made.readings_topic: 2, made.dead_letter_topic: 1}
    assert ensure_topics(made, counts, replication=1) == counts
    return made
