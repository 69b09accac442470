"""A whole deployment of plain processes: Kafka, a store, and roles that can be killed.

The processes run the very commands and environment of docker-compose.yml.
"""

import contextlib
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from alerts.redis_store import RedisDeliveryQueue, connect
from barograph.receiver import WebhookReceiver
from barograph.valkey import EmbeddedValkey
from ingest.broker import DocumentProducer, KafkaConfig, ensure_topics
from tests.servers import KafkaServer, free_port

PARTITIONS = 4
MARKERS = 20
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

# At the default alarm line a quiet stream raises nothing, and a comparison of nothing proves
# nothing: with a low one there are hundreds of lines to compare.
LOW_LINE = {
    "BAROGRAPH_WATCH__COUNT_THRESHOLD": "0.02",
    "BAROGRAPH_WATCH__SHARE_THRESHOLD": "0.09",
    "BAROGRAPH_WATCH__MINIMUM_NEGATIVE": "2",
    "BAROGRAPH_AUTHOR_KEY": "a key for tests",
}


@dataclass
class Member:
    """One process of one role, started again under the same identity after each kill."""

    role: str
    index: int
    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}"

    def start(self) -> None:
        environment = os.environ | self.environment
        environment["BAROGRAPH_INSTANCE_ID"] = self.name
        environment["BAROGRAPH_HTTP__PORT"] = str(self.port)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "barograph", "run", "--roles", self.role],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """SIGTERM, as an orchestrator would; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process = None
        return status


class Fleet:
    """Kafka, a store and a receiver, ready to take members.

    ``settings`` are further environment variables for every member.
    """

    def __init__(
        self, folder: Path, settings: dict[str, str], topics: dict[str, int] | None = None
    ) -> None:
        self.folder = folder
        self.topics = topics or {"news": PARTITIONS, "comments": PARTITIONS}
        self.kafka = KafkaServer(folder / "kafka")
        self.kafka.start()
        self.store = EmbeddedValkey(folder / "store")
        self.store.start()
        self.receiver = WebhookReceiver([SECRET])
        self.receiver.start()
        self.alerts = folder / "alerts.jsonl"
        self.members: list[Member] = []
        sinks = [
            {
                "type": "webhook",
                "name": "risk",
                "url": self.receiver.url,
                "secrets": [SECRET],
                "allow_private": True,
            },
            {"type": "jsonl", "name": "file", "path": str(self.alerts)},
        ]
        self.environment = {
            "BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "BAROGRAPH_REDIS__URL": self.store.url,
            "BAROGRAPH_AUTHOR_KEY": "a key for tests",
            "BAROGRAPH_DATA_DIR": str(folder / "data"),
            "BAROGRAPH_SINKS": json.dumps(sinks),
            **settings,
        }
        self.environment["BAROGRAPH_KAFKA__TOPICS"] = ",".join(self.topics)
        self.config = KafkaConfig((self.kafka.bootstrap,), topics=tuple(self.topics))
        others = {self.config.readings_topic: PARTITIONS, self.config.dead_letter_topic: 1}
        ensure_topics(self.config, self.topics | others, 1)

    def add(self, role: str, count: int = 1) -> None:
        for index in range(count):
            member = Member(role, index, self.environment, self.folder / f"{role}-{index}.log")
            member.start()
            self.members.append(member)

    def produce(self, rows: Iterable[dict[str, object]], topic: str = "news") -> int:
        """Write rows to Kafka, keyed by id; returns how many."""
        producer = DocumentProducer(self.config)
        count = 0
        for row in rows:
            producer.send(topic, str(row["id"]), json.dumps(row).encode())
            count += 1
            if count % 5_000 == 0:
                producer.flush()
        producer.flush()
        producer.close()
        return count

    def metric(self, member: Member, name: str) -> float:
        """The sum of a metric of one process; 0 while it does not answer."""
        address = f"http://127.0.0.1:{member.port}/metrics"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )

    def is_settled(self) -> bool:
        """Whether every document is classified, every reading watched, every alert delivered."""
        if not self.is_watched():
            return False
        return RedisDeliveryQueue(connect(self.store.url), PARTITIONS).waiting() == 0

    def is_watched(self) -> bool:
        """Whether every document is classified and its readings are committed to the store."""
        if self._behind(f"{self.config.group}-classify") > 0:
            return False
        ends = self._ends({self.config.readings_topic: PARTITIONS})
        stored = connect(self.store.url)
        time.sleep(0.3)  # marks go on; the watch stage must pass where the log ended before
        return all(
            # Behind the last entry come markers of transactions, which nobody reads.
            int(stored.hget(f"{{barograph:{tp.partition}}}:fence", "offset") or 0) + MARKERS >= end
            for tp, end in ends.items()
        )

    def alert_lines(self) -> list[bytes]:
        """What the file sink holds, sorted."""
        return sorted(self.alerts.read_bytes().splitlines()) if self.alerts.exists() else []

    def _ends(self, topics: dict[str, int]) -> dict[TopicPartition, int]:
        partitions = [TopicPartition(t, p) for t, count in topics.items() for p in range(count)]
        consumer = KafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap, isolation_level="read_committed"
        )
        try:
            found: dict[TopicPartition, int] = consumer.end_offsets(partitions, timeout_ms=5000)
            return found
        finally:
            consumer.close()

    def _behind(self, group: str) -> int:
        ends = self._ends(self.topics)
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap, group_id=group)
        try:
            places = {tp: consumer.committed(tp, timeout_ms=5000) for tp in ends}
        finally:
            consumer.close()
        return sum(max(0, end - (places[tp] or 0)) for tp, end in ends.items())

    def close(self) -> None:
        for member in self.members:
            member.kill()
        self.receiver.stop()
        with contextlib.suppress(Exception):
            self.store.stop()
        self.kafka.kill()


def read_stream(path: Path, limit: int | None = None) -> Iterator[dict[str, object]]:
    """The rows of a stream, the first ``limit`` of them."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if limit is not None and number >= limit:
                return
            yield json.loads(line)


def wait_until(condition, seconds: float, what: str) -> None:
    """Poll ``condition``; raises TimeoutError with ``what`` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s still no {what}")
        time.sleep(0.2)


def digest(lines: Iterable[bytes]) -> str:
    """SHA-256 over the sorted alert lines."""
    return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


def replayed(
    source: str | Path,
    batch_size: int,
    series_by: Iterable[str],
    folder: Path,
    environment: dict[str, str] | None = None,
) -> list[bytes]:
    """The sorted alert lines of ``barograph replay``, in a process of its own."""
    target = folder / f"replayed-{batch_size}.jsonl"
    by = [flag for name in series_by for flag in ("--series-by", name)]
    command = [sys.executable, "-m", "barograph", "replay", str(source), *by]
    command += ["--batch-size", str(batch_size), "--alerts", str(target), "--json"]
    environment = os.environ | (environment or LOW_LINE)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return sorted(target.read_bytes().splitlines())
