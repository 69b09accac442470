"""What a webhook says, where it may go and what it makes of the answer."""

import time

import httpcore
import pytest

from alerts.delivery import Delivery
from alerts.sinks import open_sink
from alerts.sinks.address import is_public
from alerts.sinks.config import SinkConfig, SinkProblem
from alerts.sinks.webhook import WebhookSink
from tests.delivery.conftest import SECRET, packed

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
    ],
)
def test_an_address_inside_the_network_is_known_however_it_is_written(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_of_the_open_internet_is_public(address: str):
    assert is_public(address)


def attempt(receiver, status: int, retry_after: str | None):
    headers = {} if retry_after is None else {"retry-after": retry_after}
    receiver.behave = lambda *_: (status, headers)
    sink = open_sink(SinkConfig("webhook", "hook", receiver.url, (SECRET,), allow_private=True))

    now = int(time.time() * 1000)
    outcome = sink.deliver(Delivery.of("a.0", "hook", 0, packed()), now)
    sink.close()
    return outcome


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("999999999999999999999", 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("nan", None),
        ("inf", None),
        ("-5", None),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_never_trips(receiver, retry_after, seconds):
    outcome = attempt(receiver, 500, retry_after)
    assert outcome.kind == "retry"
    assert outcome.retry_after_s == seconds


def test_an_overloaded_receiver_gets_a_breath_even_if_it_does_not_ask(receiver):
    assert attempt(receiver, 503, None).retry_after_s == 1.0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com", "http"),
        ("https://user:pass@example.com/", "name or password"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/a b", "spaces"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once(url: str, said: str):
    with pytest.raises(SinkProblem, match=said):
        open_sink(SinkConfig("webhook", "hook", url, (SECRET,)))


def test_a_name_is_checked_when_it_is_connected_to(receiver, monkeypatch):
    answers = iter(["93.184.215.14", "127.0.0.1"])
    asked = []

    def getaddrinfo(host, port, *_, **__):
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    connected = []

    def connect(self, host, *_, **__):

        connected.append(host)
        raise httpcore.ConnectError("stop here")

    monkeypatch.setattr("alerts.sinks.http.socket.getaddrinfo", getaddrinfo)
    monkeypatch.setattr("httpcore.SyncBackend.connect_tcp", connect)
    sink = open_sink(SinkConfig("webhook", "hook", "https://hooks.example/", (SECRET,)))
    assert isinstance(sink, WebhookSink)
    first = sink.deliver(Delivery.of("a.0", "hook", 0, packed()), NOW)
    second = sink.deliver(Delivery.of("a.0", "hook", 0, packed()), NOW)
    assert connected == ["93.184.215.14"]
    assert "stop here" in first.detail
    assert "127.0.0.1 is inside the network" in second.detail


def test_a_connection_is_used_again(receiver):
    seen = set()
    take = receiver.take
    sink = open_sink(SinkConfig("webhook", "hook", receiver.url, (SECRET,), allow_private=True))

    receiver.take = lambda headers, body: (seen.add(headers["Host"]), take(headers, body))[1]
    for number in range(3):
        delivery = Delivery.of(f"a.{number}", "hook", 0, packed())
        assert sink.deliver(delivery, int(time.time() * 1000)).kind == "ok"
    assert seen == {receiver.url.split("/")[2]}
    assert len(sink._http._pool.connections) == 1
    sink.close()
