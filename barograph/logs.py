"""Structured logs on standard error: JSON for machines, colours for people. Never a secret."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog

from alerts.line import iso
from alerts.transition import Transition

Logger = structlog.stdlib.BoundLogger

_SECRET_KEY = re.compile(r"secret|token|password|passwd|authorization|author_key|api_key", re.I)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*(?::[^/@\s]*)?@")
_SIGNING_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
_BEARER = re.compile(r"(?i)(bearer\s+)[\w.~+/=-]{16,}")


def set_up(
    level: str, format: Literal["auto", "json", "console"], stream: TextIO | None = None
) -> Logger:
    """Send the logs of this program and its libraries to ``stream`` (standard error)."""
    output = stream if stream is not None else sys.stderr
    human = format == "console" or (format == "auto" and output.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=output.isatty())
        if human
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # Kafka's client narrates every reconnection; our roles say once what is wrong.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("barograph").setLevel(level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return cast(Logger, structlog.get_logger("barograph"))


def log_alert(log: Logger, transition: Transition) -> None:
    """Say that an alert has fired, got worse or ended."""
    log.info(
        "alert",
        type=transition.type,
        series=transition.series,
        alert_id=transition.alert_id,
        severity=transition.severity,
        event_time=iso(transition.event_time),
        summary=transition.summary,
    )


def redacted(text: str) -> str:
    """``text`` without credentials in addresses, signing secrets and bearer tokens."""
    text = _CREDENTIALS.sub("***@", text)
    text = _SIGNING_SECRET.sub("whsec_***", text)
    return _BEARER.sub(r"\1***", text)


def _without_secrets(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redacted(value)
    return event
