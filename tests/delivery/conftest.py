import pytest

from alerts.outbox import pack
from alerts.redis_store import RedisDeliveryQueue, RedisWatchStore, connect
from alerts.transition import Evidence, Transition
from barograph.receiver import WebhookReceiver
from barograph.valkey import EmbeddedValkey

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def transition(alert: str = "a1", sequence: int = 0, kind: str = "firing") -> Transition:
    return Transition(
        alert_id=alert,
        sequence=sequence,
        type=kind,
        series="topic:Financials",
        rule="negative-spike",
        severity="warning",
        event_time=1_678_464_000_000,
        started_at=1_678_460_000_000,
        window_ms=3_600_000,
        observed_negative=30,
        expected_negative=2.5,
        observed_total=40,
        share=0.75,
        usual_share=0.2,
        p_value=1e-9,
        p_value_share=1e-5,
        copies=3,
        warming_up=False,
        model_versions=("v1",),
        documents=(Evidence("d1", 1_678_463_000_000, 0.99, "Bank fails", "wire-a"),),
        summary="bad news",
    )


def packed(alert: str = "a1", sequence: int = 0, kind: str = "firing") -> bytes:
    return pack(transition(alert, sequence, kind), {"replay": False})


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def client(server):
    found = connect(server.url)
    found.flushall()
    return found


@pytest.fixture
def store(client):
    return RedisWatchStore(client)


@pytest.fixture
def queue(client):
    return RedisDeliveryQueue(client, 2)


@pytest.fixture
def receiver():
    running = WebhookReceiver([SECRET])
    running.start()
    yield running
    running.stop()
