"""The daemon as a user runs it: a real process, a real store, real HTTP and webhooks."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from barograph.receiver import WebhookReceiver
from barograph.valkey import EmbeddedValkey
from tests.wiring.stream import documents

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


class Process:
    """One ``barograph run`` with its data in ``folder``."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self.folder = folder
        self.log = folder / "log.jsonl"
        folder.mkdir(exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BAROGRAPH_")}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "barograph", "run", "--data-dir", "data", *arguments],
                cwd=folder,
                env=clean | {"PYTHONPATH": str(ROOT)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.address = ""

    def wait_for_address(self) -> "Process":
        seen = self._count("listening")

        def listening() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self._count("listening") > 0 and self._own("listening") is not None

        until(listening)
        found = self._own("listening")
        assert found is not None, seen
        self.address = found["address"]
        return self

    def _lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text().splitlines()
        return [json.loads(line) for line in text if line.startswith("{")]

    def _count(self, event: str) -> int:
        return sum(line["event"] == event for line in self._lines())

    def _own(self, event: str) -> dict[str, Any] | None:
        """The newest such line since this process started."""
        lines = self._lines()
        starts = [i for i, line in enumerate(lines) if line.get("pid") == self.process.pid]
        if not starts:
            return None
        return next((line for line in lines[starts[-1] :] if line["event"] == event), None)

    @property
    def token(self) -> dict[str, str]:
        secret = (self.folder / "data" / "http-token").read_text().strip()
        return {"Authorization": f"Bearer {secret}"}

    def post(self, some: list[dict[str, Any]]) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.address}/v1/documents", json=some, headers=self.token, timeout=60
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", headers=self.token, timeout=30)

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/v1/alerts").json()["alerts"]
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def until(true: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


Start = Callable[..., Process]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    made = WebhookReceiver([SECRET])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def start(tmp_path: Path, receiver: WebhookReceiver) -> Iterator[Start]:
    """Start a daemon in a folder; ended with its store at the end of the test."""
    running: list[Process] = []
    sink = {
        "type": "webhook",
        "name": "risk",
        "url": receiver.url,
        "secrets": [SECRET],
        "allow_private": True,
    }
    usual = {
        "BAROGRAPH_HTTP__PORT": "0",
        "BAROGRAPH_SERIES_BY": "symbol",
        "BAROGRAPH_SINKS": json.dumps([sink]),
        "BAROGRAPH_CLASSIFY__THREADS": "1",
        "BAROGRAPH_WATCH__SETTLE_SECONDS": "1",
    }

    def run(*arguments: str, **environment: str) -> Process:
        running.append(Process(tmp_path / "run", usual | environment, *arguments))
        return running[-1]

    yield run
    for process in running:
        if process.process.poll() is None:
            process.kill()
    if (tmp_path / "run" / "data" / "valkey").exists():
        store = EmbeddedValkey(tmp_path / "run" / "data" / "valkey")
        store.start()  # takes over one that outlived a killed daemon, to end it
        store.stop()


BEFORE_THE_NEWS, NEWS = slice(0, 120), slice(120, 132)


def test_documents_become_a_signed_webhook_and_state_survives_stop_and_kill(
    start: Start, receiver: WebhookReceiver
) -> None:
    everything = list(documents())
    first = start().wait_for_address()
    answer = first.post(everything[BEFORE_THE_NEWS])
    assert answer["accepted"] == 120
    assert first.stop() == 0

    second = start().wait_for_address()
    second.post(everything[NEWS][:6])
    second.kill()

    third = start().wait_for_address()
    third.post(everything[NEWS][6:])
    until(lambda: bool(receiver.effects))
    data = receiver.effects[0].content["data"]
    assert receiver.effects[0].content["type"] == "alert.firing"
    assert data["series"] == "symbol:ACME"
    # Those taken before the kill count too, and the baseline of the first run is known.
    assert data["started_at"] == "2026-01-07T12:00:00Z"
    assert data["expected_negative"] < 0.5
    assert receiver.refused == 0
    until(lambda: any(line["type"] == "firing" for line in third.alerts()))
    assert third.stop() == 0
    log = third.log.read_text()
    for secret in (SECRET, third.token["Authorization"].split()[1], "Jane Reporter"):
        assert secret not in log


def test_ready_health_and_metrics_tell_the_truth(start: Start) -> None:
    daemon = start().wait_for_address()
    until(lambda: daemon.get("/ready").status_code == 200)
    assert daemon.get("/health").json() == {"status": "alive"}
    daemon.post([*list(documents())[:3], {"id": "bad"}])
    until(lambda: "barograph_role_up" in daemon.get("/metrics").text)
    text = daemon.get("/metrics").text
    assert "barograph_documents_total 3.0" in text
    assert 'barograph_dead_lettered_documents_total{reason_class="no event time"} 1.0' in text
    assert 'barograph_model_info{version="minilm' in text
    store = EmbeddedValkey(daemon.folder / "data" / "valkey")
    assert store.pid is not None
    os.kill(store.pid, signal.SIGSTOP)
    try:
        until(lambda: daemon.get("/ready").status_code == 503)
        assert "store" in " ".join(daemon.get("/ready").json()["problems"])
    finally:
        os.kill(store.pid, signal.SIGCONT)
    until(lambda: daemon.get("/ready").status_code == 200)
    assert daemon.stop() == 0


def test_a_file_is_taken_in_and_its_alert_file_written(start: Start, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(d) + "\n" for d in documents()))
    daemon = start("--input", str(source), BAROGRAPH_SINKS="[]").wait_for_address()
    alerts = daemon.folder / "data" / "alerts.jsonl"
    until(lambda: alerts.exists() and b"firing" in alerts.read_bytes())
    assert daemon.stop() == 0


def test_nothing_but_refused_input_stops_the_process_with_the_reason(
    start: Start, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("broken\n" * 200)
    daemon = start("--input", str(source))
    assert daemon.process.wait(40) == 1
    assert "went to the dead letters" in daemon.log.read_text()
    letters = (daemon.folder / "data" / "dead-letters.jsonl").read_text().splitlines()
    assert len(letters) >= 100


def test_a_second_daemon_on_the_same_data_is_told_so(start: Start) -> None:
    start().wait_for_address()
    second = start()
    assert second.process.wait(30) == 1
    assert "in use by another program" in second.log.read_text()


def test_a_taken_port_ends_the_process_with_a_message(start: Start) -> None:
    first = start().wait_for_address()
    port = first.address.rpartition(":")[2]
    second = start("--data-dir", "other", "--port", port)
    assert second.process.wait(30) == 1
    assert "cannot listen" in second.log.read_text()


def test_an_event_of_this_moment_counts_without_more_traffic(start: Start) -> None:
    daemon = start().wait_for_address()
    now = datetime.now(UTC).isoformat()
    daemon.post([{"id": "now", "text": "Acme shares plunge", "published_at": now}])
    text = daemon.get("/metrics").text
    assert "barograph_late_documents_total 0.0" in text
    assert daemon.stop() == 0
