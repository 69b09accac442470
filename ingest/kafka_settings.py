"""What it takes to talk to Kafka, and how that can fail. Needs no Kafka client to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class BrokerProblem(Exception):
    """Trouble that a person must fix; ``advice`` says how."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(f"{message}: {advice}" if advice else message)
        self.message = message
        self.advice = advice


class Unreachable(BrokerProblem):
    """No broker answers: it may come back by itself."""


class Retry(Exception):
    """The batch was not taken and nothing of it can be seen; its records will be polled again."""


class FencedOut(Exception):
    """Another process took this one's place: close this object and build a new one."""


@dataclass(frozen=True)
class KafkaConfig:
    """One deployment's brokers and topics.

    ``options`` are passed to every client as they are (``security_protocol``, ``ssl_*``,
    ``sasl_*`` and the other connection settings of kafka-python). ``instance_id`` makes the
    membership static and the transactional id stable: it must be unique in the group and the
    same after a restart. ``session_timeout_ms`` is how long a dead member keeps its
    partitions; ``transaction_timeout_ms`` how long a dead member's open transaction can hold
    readers back. ``contact_ms`` is how often the log's end is asked for.
    """

    bootstrap_servers: tuple[str, ...]
    topics: tuple[str, ...] = ("news", "comments")
    readings_topic: str = "readings"
    dead_letter_topic: str = "dead-letters"
    group: str = "barograph"
    instance_id: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    session_timeout_ms: int = 10_000
    transaction_timeout_ms: int = 15_000
    contact_ms: int = 1_000
