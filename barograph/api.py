"""The HTTP interface: documents in, alerts out, health, readiness, metrics."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from barograph.intake import HTTP, Accepted, Busy, Intake
from barograph.metrics import CONTENT_TYPE, PrometheusMeter
from ingest.message import to_message
from ingest.parse import Malformed, Policy, parse
from ingest.record import DeadLetter, Record

Scope = str


class History(Protocol):
    """Where past transitions are read."""

    def __call__(self, limit: int) -> list[dict[str, Any]]:
        """The newest transitions, newest first. Raises Busy where the store does not answer."""


@dataclass(frozen=True)
class Token:
    """A bearer token and what it may do."""

    name: str
    value: str = field(repr=False)
    scopes: frozenset[Scope] = frozenset({"ingest", "read"})


@dataclass(frozen=True)
class Limits:
    """How much one request may hold, and how long (s) it may wait for its answer."""

    body_bytes: int = 10_000_000
    documents: int = 1_000
    answer_within: float = 30.0


class _Refused(Exception):
    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def build_api(
    problems: Callable[[], list[str]],
    meter: PrometheusMeter,
    tokens: Sequence[Token] = (),
    intake: Intake | None = None,
    policy: Policy | None = None,
    history: History | None = None,
    wall: Callable[[], int] = lambda: 0,
    limits: Limits = Limits(),
) -> FastAPI:
    """The application; without ``intake`` or ``history`` it has no such address."""
    app = FastAPI(title="Barograph", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    _answer_errors(app)
    _add_probes(app, problems, meter)
    if intake is not None and policy is not None:
        _add_documents(app, _Desk(intake, policy, wall, limits, meter), tokens, limits)
    if history is not None:
        _add_alerts(app, history, tokens)
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(_Refused)
    async def refused(_request: Request, problem: _Refused) -> JSONResponse:
        return JSONResponse(
            {"error": problem.detail}, status_code=problem.status, headers=problem.headers
        )

    @app.exception_handler(Busy)
    async def busy(_request: Request, problem: Busy) -> JSONResponse:
        text = f"{problem}; send the request again, a document with an id counts once"
        return JSONResponse({"error": text}, status_code=503, headers={"Retry-After": "1"})


def _add_probes(app: FastAPI, problems: Callable[[], list[str]], meter: PrometheusMeter) -> None:
    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "alive"}

    @app.get("/ready")
    def ready() -> JSONResponse:
        """Whether every part works; 503 with the reasons where not."""
        found = problems()
        return JSONResponse(
            {"ready": not found, "problems": found}, status_code=503 if found else 200
        )

    @app.get("/metrics")
    def metrics() -> Response:
        """Prometheus' text format."""
        return Response(meter.exposition(), media_type=CONTENT_TYPE)


def _add_alerts(app: FastAPI, history: History, tokens: Sequence[Token]) -> None:
    @app.get("/v1/alerts")
    def alerts(
        request: Request,
        limit: int = Query(100, ge=1, le=1_000),
        series: str | None = None,
        type: str | None = None,
    ) -> dict[str, Any]:
        """The newest alert transitions, newest first."""
        _require(request, tokens, "read")
        wanted = 1_000 if series or type else limit
        found = [
            line
            for line in history(wanted)
            if (series is None or line["series"] == series)
            and (type is None or line["type"] == type)
        ]
        return {"alerts": found[:limit]}


def _add_documents(app: FastAPI, desk: "_Desk", tokens: Sequence[Token], limits: Limits) -> None:
    @app.post("/v1/documents")
    async def documents(request: Request) -> JSONResponse:
        """Take one document (an object), a list of them, or one a line (NDJSON).

        Answers when they are safe: 200 with one result a document, in order.
        """
        _require(request, tokens, "ingest")
        raws = _messages(request.headers.get("content-type", ""), await _body(request, limits))
        if len(raws) > limits.documents:
            raise _Refused(413, f"{len(raws)} documents at once, {limits.documents} are allowed")
        results = await run_in_threadpool(desk.take, raws)
        accepted = sum("id" in result for result in results)
        status = 200 if accepted or not results else 422
        body = {"accepted": accepted, "rejected": len(results) - accepted, "results": results}
        return JSONResponse(body, status_code=status)


class _Desk:
    """Reads documents, so that their sender learns at once what is wrong, and hands them on."""

    def __init__(
        self,
        intake: Intake,
        policy: Policy,
        wall: Callable[[], int],
        limits: Limits,
        meter: PrometheusMeter,
    ) -> None:
        self._intake = intake
        self._policy = policy
        self._wall = wall
        self._limits = limits
        self._meter = meter

    def take(self, raws: list[bytes]) -> list[dict[str, str]]:
        now = self._wall()
        accepted: list[Accepted] = []
        refused: list[DeadLetter] = []
        results: list[dict[str, str]] = []
        for place, raw in enumerate(raws, 1):
            record = Record(raw, HTTP, place, now)
            try:
                document = parse(record, self._policy, now)
            except Malformed as problem:
                refused.append(DeadLetter(record, str(problem), now))
                results.append({"status": "rejected", "reason": str(problem)})
            else:
                accepted.append(Accepted(document.id, document.kind, to_message(document)))
                results.append({"status": "accepted", "id": document.id})
        self._intake.take(accepted, refused, self._limits.answer_within)
        return results


def _require(request: Request, tokens: Sequence[Token], scope: Scope) -> None:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not given:
        raise _Refused(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
    found: Token | None = None
    for token in tokens:  # all of them: the time taken does not tell which one was near
        if hmac.compare_digest(token.value.encode(), given.strip().encode()):
            found = token
    if found is None:
        raise _Refused(401, "this token is not known", {"WWW-Authenticate": "Bearer"})
    if scope not in found.scopes:
        raise _Refused(403, f"this token may not {scope}")


async def _body(request: Request, limits: Limits) -> bytes:
    declared = request.headers.get("content-length", "")
    too_large = _Refused(413, f"a request may hold {limits.body_bytes} bytes")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        raise too_large
    if request.headers.get("content-encoding", "identity") != "identity":
        raise _Refused(415, "a compressed request is not understood")
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > limits.body_bytes:
            raise too_large
        pieces.append(piece)
    return b"".join(pieces)


def _messages(content_type: str, body: bytes) -> list[bytes]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        return [line for line in body.splitlines() if line.strip()]
    if kind != "application/json":
        raise _Refused(415, "send application/json or application/x-ndjson")
    if not body.lstrip().startswith(b"["):
        return [body]
    try:
        items: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refused(400, "this list is not JSON") from None
    return [json.dumps(item).encode() for item in items]
