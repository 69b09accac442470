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
SLOW_DOWN = (429, 502, 503, 504)
BREATH_S = 1.0  # the pause of a receiver that is overloaded and does not say for how long
LONGEST_WAIT_S = 86_400.0


class WebhookSink:
    """POSTs ``{"type", "timestamp", "data"}`` with id, time and signature in the headers."""

    def __init__(self, config: SinkConfig) -> None:
        if not config.url.startswith(("https://", "http://")):
            raise SinkProblem(f"sink {config.name}: the url must begin with https:// or http://")
        if not (config.url.isascii() and config.url.isprintable()) or " " in config.url:
            raise SinkProblem(f"sink {config.name}: write the url in ASCII, without spaces")
        if "@" in config.url.split("/")[2]:
            raise SinkProblem(f"sink {config.name}: the url must not hold a name or password")
        if not config.secrets:
            raise SinkProblem(f"sink {config.name}: a webhook needs a secret (whsec_...)")
        try:
            self._signers = [Webhook(secret) for secret in config.secrets]
        except Exception:
            raise SinkProblem(f"sink {config.name}: the secret is not base64") from None
        self.longest_s = config.timeout_s
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
    wait = _seconds(answer.retry_after, now)
    if wait is None and answer.status in SLOW_DOWN:
        wait = BREATH_S
    return Outcome("retry", detail, wait)


def _seconds(retry_after: str | None, now: int) -> float | None:
    """Retry-After as seconds from now (RFC 9110, 10.2.3), at most a day; None where senseless."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return min(float(retry_after.strip()[:9]), LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(retry_after)
        wait = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now / 1000
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT_S)
