"""Real servers for tests: an Apache Kafka that can be started, stopped, killed and restarted."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FETCH = Path(__file__).resolve().parents[1] / "scripts" / "kafka" / "fetch.sh"
CLUSTER = "YmFyb2dyYXBoLXRlc3RzMQ"
USER, PASSWORD = "reader", "open-sesame"
STARTED = "Kafka Server started"

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config={module} required user_{user}="{password}";
log.dirs={folder}/log
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=2
background.threads=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
"""

LOGGING = """
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


class ServerUnavailable(RuntimeError):
    """Something that the server needs is missing on this machine, or it did not start."""


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def kafka_jars() -> Path:
    """The folder of Kafka's jars, fetched on first use; raises ServerUnavailable."""
    if shutil.which("java") is None:
        raise ServerUnavailable("java is missing: install a Java 17 runtime")
    done = subprocess.run([str(FETCH)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerUnavailable(f"Kafka could not be fetched: {done.stderr.strip()[-500:]}")
    return Path(done.stdout.strip())


class KafkaServer:
    """One Kafka node (broker and controller) on loopback, with its data in ``folder``.

    The ports are chosen once, so a restart comes back under the same address with the same data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.login_port = free_port()
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._jars = kafka_jars()
        self._config = folder / "server.properties"
        self._format()

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def login_bootstrap(self) -> str:
        """The address for clients that log in (SASL PLAIN as USER with PASSWORD)."""
        return f"127.0.0.1:{self.login_port}"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 90.0) -> None:
        """Start and wait until it serves; raises ServerUnavailable with the end of its log."""
        seen = self._starts()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._java("-Xms96m", "-Xmx400m", main="kafka.Kafka", args=[str(self._config)]),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while self._starts() == seen:
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise ServerUnavailable(f"Kafka did not start: {self.log.read_text()[-1500:]}")
            time.sleep(0.05)

    def stop(self, timeout: float = 20.0) -> None:
        """Shut down in order; kills after ``timeout`` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _starts(self) -> int:
        return self.log.read_text(errors="replace").count(STARTED) if self.log.exists() else 0

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = PROPERTIES.format(
            port=self.port,
            login_port=self.login_port,
            controller_port=free_port(),
            folder=self.folder.resolve(),
            module="org.apache.kafka.common.security.plain.PlainLoginModule",
            user=USER,
            password=PASSWORD,
        )
        self._config.write_text(text)
        (self.folder / "log4j2.properties").write_text(LOGGING)
        command = self._java(
            "-Xmx128m",
            main="kafka.tools.StorageTool",
            args=["format", "-t", CLUSTER, "-c", str(self._config)],
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerUnavailable(f"Kafka's storage: {(done.stdout + done.stderr)[-800:]}")

    def _java(self, *flags: str, main: str, args: list[str]) -> list[str]:
        # Serial collector and the quick compiler only, to start fast on a small machine.
        logging = f"-Dlog4j2.configurationFile={self.folder.resolve()}/log4j2.properties"
        tuned = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", logging]
        return ["java", *flags, *tuned, "-cp", f"{self._jars}/*", main, *args]


def serve_kafka(folder: Path) -> Iterator[KafkaServer]:
    """For a fixture: a started Kafka, stopped at the end.

    Where it cannot run the test is skipped with the reason, except on CI, where it fails.
    """
    server = _started(lambda: KafkaServer(folder))
    try:
        yield server
    finally:
        server.kill()


def _started(make: Callable[[], KafkaServer]) -> KafkaServer:
    try:
        server = make()
        server.start()
    except ServerUnavailable as problem:
        if os.environ.get("CI") == "true":
            pytest.fail(str(problem))
        pytest.skip(str(problem))
    return server
