"""Webhooks to a receiver that misbehaves in every way that receivers do."""

import multiprocessing
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from alerts.deliver import Deliverer
from alerts.delivery import Delivery, Outcome
from alerts.redis_store import RedisDeliveryQueue, connect
from alerts.sinks import open_sink
from alerts.sinks.config import SinkConfig, SinkProblem
from ingest.meter import NullMeter
from tests.delivery.conftest import SECRET, packed

SCHEDULE = (50,) * 8


def wall() -> int:
    return int(time.time() * 1000)


def webhook(url: str, **more):
    return open_sink(SinkConfig("webhook", "hook", url, (SECRET,), allow_private=True, **more))


def deliver_all(queue, sinks, seconds: float = 8.0, until=None) -> Deliverer:
    deliverer = Deliverer(queue, sinks, wall, NullMeter(), SCHEDULE)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        deliverer.step()
        if not deliverer.under_way and (until() if until else queue.waiting() == 0):
            break
        time.sleep(0.01)
    deliverer.close()
    return deliverer


def put(store, *lines: bytes) -> None:
    fence = store.claim(0)
    store.commit(0, fence, fence.offset + 1, [], list(lines))


def test_a_webhook_arrives_signed_with_the_alert_and_its_evidence(store, queue, receiver):
    put(store, packed("a"))
    deliver_all(queue, {"hook": webhook(receiver.url)})
    [effect] = receiver.effects
    assert receiver.refused == 0
    assert effect.content["type"] == "alert.firing"
    assert effect.content["timestamp"] == "2023-03-10T16:00:00Z"
    data = effect.content["data"]
    assert data["evidence"] == ["d1"]
    assert data["documents"][0]["title"] == "Bank fails"
    assert data["provenance"] == {"replay": False}


@pytest.mark.parametrize(
    "answers",
    [
        [(503, {})],
        [(500, {}), (502, {}), (429, {"retry-after": "0"})],
        [(302, {"location": "http://127.0.0.1:9/"})],
    ],
    ids=["down", "flapping", "redirecting"],
)
def test_a_receiver_that_fails_at_first_gets_the_same_id_again(store, queue, receiver, answers):
    receiver.behave = lambda _, attempt: (
        answers[attempt - 1] if attempt <= len(answers) else (200, {})
    )
    put(store, packed("a"))
    deliver_all(queue, {"hook": webhook(receiver.url)})
    assert list(receiver.requests.values()) == [len(answers) + 1]
    assert len(receiver.effects) == 1


def test_retry_after_is_honoured(store, queue, receiver):
    receiver.behave = lambda _, attempt: (429, {"retry-after": "1"}) if attempt == 1 else (200, {})
    put(store, packed("a"))
    started = time.monotonic()
    deliver_all(queue, {"hook": webhook(receiver.url)})
    assert len(receiver.effects) == 1
    assert time.monotonic() - started >= 1


def test_a_receiver_that_says_gone_is_left_alone(store, queue, receiver):
    receiver.behave = lambda *_: (410, {})
    put(store, packed("a"))
    deliverer = deliver_all(queue, {"hook": webhook(receiver.url)})
    assert "410" in deliverer.disabled["hook"]
    assert sum(receiver.requests.values()) == 1


def test_a_receiver_that_was_away_gets_everything_when_it_is_back(store, queue, receiver):
    receiver.stop()
    put(store, packed("a"), packed("b"))
    deliver_all(queue, {"hook": webhook(receiver.url)}, seconds=0.3)
    receiver.start()
    deliver_all(queue, {"hook": webhook(receiver.url)})
    assert len(receiver.effects) == 2


def test_a_dead_sink_delays_no_other(store, queue, receiver, tmp_path: Path):
    receiver.behave = lambda *_: (time.sleep(3), (200, {}))[1]
    path = tmp_path / "alerts.jsonl"
    sinks = {
        "hook": webhook(receiver.url),
        "file": open_sink(SinkConfig("jsonl", "file", path=path)),
    }
    put(store, *[packed(f"a{i}") for i in range(20)])
    started = time.monotonic()
    deliverer = Deliverer(queue, sinks, wall, NullMeter(), SCHEDULE)
    while path.read_bytes().count(b"\n") < 20 and time.monotonic() - started < 10:
        deliverer.step()
        time.sleep(0.01)
    assert path.read_bytes().count(b"\n") == 20
    assert not receiver.effects
    deliverer.close()


def test_a_burst_to_a_slow_receiver_is_worked_off_without_waiting_for_claims_to_lapse(
    store, queue, receiver
):
    receiver.behave = lambda *_: (time.sleep(0.05), (200, {}))[1]
    put(store, *[packed(f"a{i}") for i in range(100)])
    deliver_all(queue, {"hook": webhook(receiver.url)})
    assert len(receiver.effects) == 100
    assert sum(receiver.requests.values()) == 100


def test_a_receiver_that_asks_for_less_gets_a_pause_from_everything(store, queue, receiver):
    moments: list[float] = []

    def behave(_: str, __: int):
        moments.append(time.monotonic())
        return (429, {"retry-after": "1"}) if len(moments) <= 2 else (200, {})

    receiver.behave = behave
    put(store, packed("a"), packed("b"))
    deliverer = Deliverer(queue, {"hook": webhook(receiver.url)}, wall, NullMeter(), SCHEDULE)
    while len(moments) < 2:
        deliverer.step()
        time.sleep(0.01)
    while deliverer.under_way:
        time.sleep(0.01)
    put(store, packed("c"))
    while len(receiver.effects) < 3:
        deliverer.step()
        time.sleep(0.01)
    deliverer.close()
    assert moments[2] - moments[0] >= 0.9


def test_stopping_hands_back_what_has_not_begun(store, queue, receiver):
    receiver.behave = lambda *_: (time.sleep(0.3), (200, {}))[1]
    put(store, *[packed(f"a{i}") for i in range(16)])
    deliverer = Deliverer(queue, {"hook": webhook(receiver.url)}, wall, NullMeter(), SCHEDULE)
    deliverer.step()
    deliverer.close()
    assert len(receiver.effects) == 8
    assert len(queue.claim({"hook": 100}, wall(), 1000)) == 8


class FaultySink:
    longest_s = 1.0

    def deliver(self, delivery: Delivery, now: int) -> Outcome:
        raise ZeroDivisionError("a fault")

    def close(self) -> None:
        pass


def test_a_fault_in_a_sink_is_an_attempt_that_failed(store, queue):
    put(store, packed("a"))
    deliver_all(queue, {"hook": FaultySink()})
    [kept] = queue.given_up()
    assert "9 attempts" in kept.last
    assert "ZeroDivisionError" in kept.last


def dribbling_server(piece: bytes) -> tuple[str, threading.Event]:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            while not stop.wait(0.05):
                try:
                    connection.sendall(piece)
                except OSError:
                    return

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/", stop


@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_receiver_that_dribbles_its_answer_holds_nobody_up(piece: bytes):
    url, stop = dribbling_server(piece)
    started = time.monotonic()
    outcome = webhook(url, timeout_s=0.5).deliver(Delivery.of("a.0", "hook", 0, packed()), wall())
    stop.set()
    assert outcome.kind == "retry"
    assert time.monotonic() - started < 2


def test_addresses_inside_the_network_are_refused_unless_allowed(receiver):
    sink = open_sink(SinkConfig("webhook", "hook", receiver.url, (SECRET,)))
    outcome = sink.deliver(Delivery.of("a.0", "hook", 0, packed()), wall())
    assert outcome.kind == "retry"
    assert "inside the network" in outcome.detail
    assert not receiver.requests


def test_two_secrets_make_two_signatures_while_one_is_changed(store, queue, receiver):
    newer = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    sink = open_sink(
        SinkConfig("webhook", "hook", receiver.url, (newer, SECRET), allow_private=True)
    )
    put(store, packed("a"))
    deliver_all(queue, {"hook": sink})
    assert len(receiver.effects) == 1


def test_a_wrong_secret_is_told_without_telling_it():
    with pytest.raises(SinkProblem) as problem:
        open_sink(SinkConfig("webhook", "hook", "https://example.com", ("whsec_%%%",)))
    assert "%%%" not in str(problem.value)
    assert "%%%" not in repr(SinkConfig("webhook", "hook", "", ("whsec_%%%",)))


def _worker(url: str, hook: str) -> None:
    queue = RedisDeliveryQueue(connect(url), 2)
    sinks = {"hook": webhook(hook)}
    deliverer = Deliverer(queue, sinks, wall, NullMeter(), SCHEDULE, visibility_ms=300)
    while True:
        deliverer.step()
        time.sleep(0.005)


def test_killed_workers_lose_nothing_and_nothing_takes_effect_twice(store, queue, receiver, server):
    receiver.behave = lambda *_: (time.sleep(0.02), (200, {}))[1]
    put(store, *[packed(f"a{i}") for i in range(100)])
    rng = random.Random(7)
    context = multiprocessing.get_context("fork")
    kills = 0
    deadline = time.monotonic() + 30
    while queue.waiting() and time.monotonic() < deadline:
        worker = context.Process(target=_worker, args=(server.url, receiver.url))
        worker.start()
        time.sleep(rng.uniform(0.03, 0.12))
        worker.kill()
        worker.join()
        kills += 1
    assert kills > 1
    assert queue.waiting() == 0
    assert len(receiver.effects) == 100
    assert len(receiver.requests) == 100
