"""Kafka: the only package that imports the client.

The classify stage reads and writes through ``ClassifyLog`` (exactly once), the watch stage reads
through ``ReadingsLog``; ``read_range`` replays without touching live offsets.
"""

from ingest.broker.classify_log import ClassifyLog
from ingest.broker.history import Between, read_dead_letters, read_range
from ingest.broker.probe import probe
from ingest.broker.producer import DocumentProducer
from ingest.broker.readings_log import ReadingsLog
from ingest.broker.topics import ensure_topics
from ingest.kafka_settings import BrokerProblem, FencedOut, KafkaConfig, Retry

__all__ = [
    "Between",
    "BrokerProblem",
    "ClassifyLog",
    "DocumentProducer",
    "FencedOut",
    "KafkaConfig",
    "ReadingsLog",
    "Retry",
    "ensure_topics",
    "probe",
    "read_dead_letters",
    "read_range",
]
