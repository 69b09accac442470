"""The HTTP interface, without a network."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from barograph.api import Limits, Token, build_api
from barograph.intake import Accepted, Busy
from barograph.metrics import PrometheusMeter
from ingest.parse import Policy
from ingest.record import DeadLetter

NOW = 1_790_000_000_000
GOOD = {"id": "a", "text": "Shares fall", "published_at": "2026-01-05T14:30:00Z"}
SENDER = {"Authorization": "Bearer sends"}
READER = {"Authorization": "Bearer reads"}


class Desk:
    """Notes what it is given, or is busy."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.refused: list[DeadLetter] = []
        self.busy = False

    def take(
        self, accepted: Sequence[Accepted], refused: Sequence[DeadLetter], timeout: float
    ) -> None:
        if self.busy:
            raise Busy("too many documents are waiting")
        self.accepted += accepted
        self.refused += refused


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def client(desk: Desk, problems: list[str]) -> TestClient:
    history = [{"series": "a", "type": "firing"}, {"series": "b", "type": "resolved"}]
    app = build_api(
        lambda: problems,
        PrometheusMeter(),
        [
            Token("s", "sends", frozenset({"ingest"})),
            Token("r", "reads", frozenset({"read"})),
        ],
        desk,
        Policy(b"key"),
        lambda limit: [dict(line) for line in history][:limit],
        lambda: NOW,
        Limits(body_bytes=2_000, documents=3),
    )
    return TestClient(app)


def test_one_document_is_accepted_with_its_id(client: TestClient, desk: Desk) -> None:
    answer = client.post("/v1/documents", json=GOOD, headers=SENDER)
    assert answer.status_code == 200
    assert answer.json()["results"] == [{"status": "accepted", "id": "a"}]
    assert [item.id for item in desk.accepted] == ["a"]


@pytest.mark.parametrize("form", ["list", "lines"])
def test_each_document_of_many_gets_its_own_answer(
    client: TestClient, desk: Desk, form: str
) -> None:
    many: list[Any] = [GOOD, {"id": "b"}, {**GOOD, "id": "c", "kind": "comment"}]
    if form == "list":
        answer = client.post("/v1/documents", json=many, headers=SENDER)
    else:
        body = "\n".join(map(json.dumps, many))
        headers = {**SENDER, "Content-Type": "application/x-ndjson"}
        answer = client.post("/v1/documents", content=body, headers=headers)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["accepted"], found["rejected"]) == (2, 1)
    assert [result["status"] for result in found["results"]] == ["accepted", "rejected", "accepted"]
    assert "published_at is missing" in found["results"][1]["reason"]
    assert [item.kind for item in desk.accepted] == ["news", "comment"]
    assert [json.loads(letter.record.raw) for letter in desk.refused] == [{"id": "b"}]


def test_a_request_with_nothing_good_in_it_is_422(client: TestClient) -> None:
    assert client.post("/v1/documents", json={"id": 1}, headers=SENDER).status_code == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic sends"}, 401),
        ({"Authorization": "Bearer "}, 401),
        (READER, 403),
    ],
)
def test_without_the_right_token_nothing_is_taken(
    client: TestClient, desk: Desk, headers: dict[str, str], status: int
) -> None:
    assert client.post("/v1/documents", json=GOOD, headers=headers).status_code == status
    assert not desk.accepted


def test_too_much_at_once_is_413(client: TestClient) -> None:
    assert client.post("/v1/documents", json=[GOOD] * 4, headers=SENDER).status_code == 413
    huge = {**GOOD, "text": "x" * 3_000}
    assert client.post("/v1/documents", json=huge, headers=SENDER).status_code == 413
    pieces = (b"x" * 500 for _ in range(10))  # no declared length
    headers = {**SENDER, "Content-Type": "application/json"}
    assert client.post("/v1/documents", content=pieces, headers=headers).status_code == 413


def test_another_content_type_is_415(client: TestClient) -> None:
    headers = {**SENDER, "Content-Type": "text/plain"}
    assert client.post("/v1/documents", content=b"{}", headers=headers).status_code == 415
    headers = {**SENDER, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.post("/v1/documents", content=b"{}", headers=headers).status_code == 415


def test_a_broken_list_is_400(client: TestClient) -> None:
    headers = {**SENDER, "Content-Type": "application/json"}
    assert client.post("/v1/documents", content=b"[{", headers=headers).status_code == 400


def test_backpressure_is_503_with_retry_after(client: TestClient, desk: Desk) -> None:
    desk.busy = True
    answer = client.post("/v1/documents", json=GOOD, headers=SENDER)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "waiting" in answer.json()["error"]


def test_alerts_are_read_and_chosen(client: TestClient) -> None:
    assert client.get("/v1/alerts", headers=SENDER).status_code == 403
    assert len(client.get("/v1/alerts", headers=READER).json()["alerts"]) == 2
    found = client.get("/v1/alerts?series=b", headers=READER).json()["alerts"]
    assert [line["series"] for line in found] == ["b"]


def test_ready_names_the_problems(client: TestClient, problems: list[str]) -> None:
    assert client.get("/ready").status_code == 200
    problems.append("watch: the store does not answer")
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["problems"] == problems
    assert client.get("/health").status_code == 200


def test_metrics_are_what_prometheus_reads(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for name in (
        "barograph_documents",
        "barograph_late_documents",
        "barograph_alerts_firing",
        "barograph_publish_to_decision_seconds",
    ):
        assert families[name].documentation
    assert families["barograph_documents"].type == "counter"


def test_without_its_roles_the_process_has_no_such_address(problems: list[str]) -> None:
    bare = TestClient(build_api(lambda: problems, PrometheusMeter()))
    assert bare.post("/v1/documents", json=GOOD, headers=SENDER).status_code == 404
    assert bare.get("/v1/alerts", headers=READER).status_code == 404
    assert bare.get("/ready").status_code == 200
