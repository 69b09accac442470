"""The services' own commands, environments and health checks, run as plain processes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from barograph.valkey import EmbeddedValkey
from tests.servers import KafkaServer, free_port, serve_kafka

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# The one for GPUs needs a driver; its command is that of "classify".
NAMES = [name for name, one in SERVICES.items() if "build" in one and "profiles" not in one]
TOKEN = "for-this-test-only"
SECRETS = {
    "BAROGRAPH_AUTHOR_KEY": "a-key-for-this-test",
    "BAROGRAPH_HTTP__TOKENS": json.dumps([{"name": "test", "token": TOKEN}]),
}

pytestmark = pytest.mark.kafka


class Service:
    """A service as a process: what is named differently outside a container is replaced."""

    def __init__(self, name: str, addresses: dict[str, str], folder: Path) -> None:
        self.body = SERVICES[name]
        self.port = free_port()
        self.log = folder / f"{name}.log"
        changed = {"BAROGRAPH_DATA_DIR": str(folder / name), "BAROGRAPH_HTTP__HOST": "127.0.0.1"}
        changed |= {"BAROGRAPH_HTTP__PORT": str(self.port)}
        # A value that Compose takes from the user is among the secrets or left to its default.
        written = {k: str(v) for k, v in self.body["environment"].items() if v is not None}
        given = {key: text for key, text in written.items() if not text.startswith("${")}
        given = {key: changed.get(key, addresses.get(text, text)) for key, text in given.items()}
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BAROGRAPH_")}
        program, *arguments = self.body["command"]
        assert program == "barograph"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "barograph.cli", *arguments],
                env=clean | SECRETS | given,
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def healthy(self) -> bool:
        """What Compose would find, by the health check in the file."""
        kind, program, *arguments = self.body["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        command = [sys.executable, *(a.replace("8080", str(self.port)) for a in arguments)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def eventually(true: Callable[[], bool], what: Callable[[], str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """Not the shared one: the services name their topics as the file has them."""
    yield from serve_kafka(tmp_path_factory.mktemp("compose-kafka"))


@pytest.fixture(scope="module")
def services(
    own_kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Service]]:
    folder = tmp_path_factory.mktemp("services")
    with EmbeddedValkey(folder / "valkey") as valkey:
        addresses = {"kafka:9092": own_kafka.bootstrap, "redis://valkey:6379/0": valkey.url}
        started = {name: Service(name, addresses, folder) for name in NAMES}
        try:
            for name, one in started.items():
                eventually(one.healthy, lambda n=name, o=one: f"{n}: {o.log.read_text()[-1500:]}")
            yield started
        finally:
            for one in started.values():
                one.process.kill()
                one.process.wait()


def post(url: str, body: object, token: str) -> int:
    request = urllib.request.Request(
        f"{url}/v1/documents",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return problem.code


def test_a_document_goes_through_the_services_as_compose_would_start_them(
    services: dict[str, Service],
) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    document = {"text": "Regional bank shares plunge after surprise loss", "published_at": at}
    assert post(services["ingest"].url, document, "another-token") == 401
    assert post(services["ingest"].url, document, TOKEN) == 200
    counted = "barograph_publish_to_decision_seconds_count"
    for name, metric in (("classify", "barograph_documents_total"), ("watch", counted)):
        one = services[name]
        eventually(
            lambda o=one, m=metric: o.metric(m) >= 1,
            lambda o=one: o.log.read_text()[-1500:],
        )


def test_a_health_check_fails_where_nothing_answers(services: dict[str, Service]) -> None:
    one = services["deliver"]
    port, one.port = one.port, free_port()
    try:
        assert not one.healthy()
    finally:
        one.port = port
    assert one.healthy()


def test_every_service_stops_in_order_when_compose_asks(services: dict[str, Service]) -> None:
    for one in services.values():
        one.process.send_signal(signal.SIGTERM)
    grace = {name: float(one.body["stop_grace_period"][:-1]) for name, one in services.items()}
    codes = {name: one.process.wait(grace[name]) for name, one in services.items()}
    assert codes == dict.fromkeys(services, 0)
