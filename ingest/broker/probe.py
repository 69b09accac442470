"""Trying everything that the stages need of Kafka, for ``barograph check``."""

import time

import kafka
import kafka.errors

from ingest.broker.client import open_client, speaking
from ingest.broker.transaction import TransactionalProducer
from ingest.kafka_settings import BrokerProblem, KafkaConfig, Retry

COORDINATOR_PATIENCE_S = 10.0


def probe(config: KafkaConfig) -> None:
    """Connect, look for every topic, the group and the right to use transactions.

    Changes nothing and disturbs no running member. Raises BrokerProblem with advice.
    """
    admin = open_client(kafka.KafkaAdminClient, config)
    try:
        with speaking():
            _require_topics(admin, config)
            _require_group(admin, config.group)
    except kafka.errors.KafkaError as error:
        raise BrokerProblem(f"Kafka answers with an error ({error!r})") from error
    finally:
        admin.close()
    _require_transactions(config)


def _require_topics(admin: object, config: KafkaConfig) -> None:
    wanted = [*config.topics, config.readings_topic, config.dead_letter_topic]
    there = admin.describe_topics(list(dict.fromkeys(wanted)))  # type: ignore[attr-defined]
    for topic in there:
        error = kafka.errors.for_code(topic["error_code"])
        if error is not kafka.errors.NoError and not issubclass(
            error, kafka.errors.UnknownTopicOrPartitionError
        ):
            raise error(topic["name"])
    found = {t["name"]: len(t["partitions"]) for t in there if t["error_code"] == 0}
    missing = [name for name in wanted if not found.get(name)]
    if missing:
        raise BrokerProblem(
            f"topics are missing: {', '.join(missing)}",
            "create them, or let the program do it at its start",
        )


def _require_group(admin: object, group: str) -> None:
    # On a cluster's first day the broker makes its offsets topic when first asked.
    deadline = time.monotonic() + COORDINATOR_PATIENCE_S
    while True:
        try:
            admin.describe_groups([group])  # type: ignore[attr-defined]
        except kafka.errors.RetriableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _require_transactions(config: KafkaConfig) -> None:
    # Not the id of a running member: that one would be fenced out.
    producer = TransactionalProducer(config, f"{config.group}-check")
    try:
        producer.open()
    except Retry as problem:
        advice = "see that the broker's transaction topic has enough live replicas"
        raise BrokerProblem(f"no transaction can begin ({problem})", advice) from problem
    finally:
        producer.drop()
