"""Creating the topics that are missing."""

import contextlib
from collections.abc import Mapping

import kafka
import kafka.errors

from ingest.broker.client import LARGEST_MESSAGE, open_client, speaking
from ingest.kafka_settings import BrokerProblem, KafkaConfig


def ensure_topics(
    config: KafkaConfig, partitions: Mapping[str, int], replication: int = -1
) -> dict[str, int]:
    """Create what is missing of ``partitions`` (topic to count); return the counts there are.

    A topic that exists keeps its count. ``replication`` -1 is the broker's default. The
    dead-letter topic takes larger messages than others, since it must hold what was too large
    for them. Raises BrokerProblem.
    """
    admin = open_client(kafka.KafkaAdminClient, config)
    try:
        with speaking():
            missing = {n: c for n, c in partitions.items() if n not in admin.list_topics()}
            if missing:
                _create(admin, config, missing, replication)
                admin.wait_for_topics(list(missing))
            return {
                topic["name"]: len(topic["partitions"])
                for topic in admin.describe_topics(list(partitions))
            }
    except kafka.errors.KafkaError as error:
        raise BrokerProblem(f"topics could not be created ({error!r})") from error
    finally:
        admin.close()


def _create(admin: object, config: KafkaConfig, missing: dict[str, int], replication: int) -> None:
    large = {"max.message.bytes": str(LARGEST_MESSAGE)}
    wanted = {
        name: {
            "num_partitions": count,
            "replication_factor": replication,
            "configs": large if name == config.dead_letter_topic else {},
        }
        for name, count in missing.items()
    }
    # Another process may have started at the same moment.
    with contextlib.suppress(kafka.errors.TopicAlreadyExistsError):
        admin.create_topics(wanted)  # type: ignore[attr-defined]
