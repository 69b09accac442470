"""Signed webhooks as Standard Webhooks 1.0 specifies them (https://www.standardwebhooks.com)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
from standardwebhooks import Webhook

from alerts.delivery import Delivery, Outcome
from alerts.outbox import unpack
from alerts.sinks.config import SinkConfig, SinkProblem
from alerts.sinks.http import Answer, HttpClient, Unsent

GONE = 410


class WebhookSink:
    """POSTs ``{"type", "timestamp", "data"}`` with id, time and signature in the headers."""

    def __init__(self, config: SinkConfig) -> None:
        if not config.url.startswith(("https://", "http://")):
            raise SinkProblem(f"sink {config.name}: the url must begin with https:// or http://")
        if not config.secrets:
            raise SinkProblem(f"sink {config.name}: a webhook needs a secret (whsec_...)")
        try:
            self._signers = [Webhook(secret) for secret in config.secrets]
        except Exception:
            raise SinkProblem(f"sink {config.name}: the secret is not base64") from None
        self._url = config.url
        self._http = HttpClient(config.allow_private, config.timeout_s)

    def deliver(self, delivery: Delivery, now: int) -> Outcome:
        """Send once; only a 2xx counts as arrived."""
        body = message(delivery.body)
        moment = datetime.fromtimestamp(now // 1000, UTC)
        text = body.decode()
        headers = {
            "content-type": "application/json",
            "user-agent": "barograph",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(now // 1000),
            "webhook-signature": " ".join(
                signer.sign(delivery.id, moment, text) for signer in self._signers
            ),
        }
        try:
            answer = self._http.post(self._url, headers, body)
        except Unsent as problem:
            return Outcome("retry", str(problem))
        return _outcome(answer, now)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def message(packed: bytes) -> bytes:
    """The body of the webhook of a packed transition."""
    parcel = unpack(packed)
    data = msgspec.json.decode(parcel.line)
    data["documents"] = parcel.documents
    data["provenance"] = parcel.provenance
    return msgspec.json.encode({"type": parcel.type, "timestamp": parcel.timestamp, "data": data})


def _outcome(answer: Answer, now: int) -> Outcome:
    if 200 <= answer.status < 300:
        return Outcome("ok", f"HTTP {answer.status}")
    if answer.status == GONE:
        return Outcome("gone", "HTTP 410: the receiver wants no more")
    detail = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        detail += ": redirects are not followed"
    return Outcome("retry", detail, _seconds(answer.retry_after, now))


def _seconds(retry_after: str | None, now: int) -> float | None:
    """Retry-After as seconds from now (RFC 9110, 10.2.3), at most a day."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - now / 1000
        except ValueError:
            return None
    return min(max(wait, 0.0), 86_400.0)
