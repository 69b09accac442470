"""A webhook receiver as a risk team would run one: checks signatures, remembers ids.

The demo, the tests and the benchmarks use it.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Received:
    """One webhook that took effect. ``at`` is the wall clock in seconds."""

    id: str
    at: float
    content: dict[str, Any]


@dataclass
class WebhookReceiver:
    """An HTTP server on loopback. ``behave(id, attempt)`` may answer another status than 200.

    A webhook takes effect once: a repetition of its id is answered well and otherwise ignored.
    """

    secrets: Sequence[str]
    behave: Callable[[str, int], tuple[int, dict[str, str]]] | None = None
    port: int = 0
    effects: list[Received] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    def start(self) -> None:
        """Listen; ``url`` is valid from now on."""
        receiver = self
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, headers = receiver.take(dict(self.headers.items()), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self.port}/alerts"

    def stop(self) -> None:
        """Stop listening; ``start`` begins again on the same port with the same memory."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer to one request."""
        names = {name.lower(): value for name, value in headers.items()}
        if not any(self._is_signed_by(secret, names, body) for secret in self.secrets):
            self.refused += 1
            return 401, {}
        identity = names["webhook-id"]
        with self._lock:
            attempt = self.requests[identity] = self.requests.get(identity, 0) + 1
        if self.behave is not None:
            status, extra = self.behave(identity, attempt)
            if status != 200:
                return status, extra
        with self._lock:
            if all(effect.id != identity for effect in self.effects):
                self.effects.append(Received(identity, time.time(), json.loads(body)))
        return 200, {}

    def _is_signed_by(self, secret: str, headers: dict[str, str], body: bytes) -> bool:
        try:
            Webhook(secret).verify(body, headers)
        except WebhookVerificationError:
            return False
        return True
