"""The alert line: one JSON object for one transition, the same to the byte in every run."""

from datetime import UTC, datetime

import msgspec

from alerts.transition import Transition


def iso(ms: int) -> str:
    """An event time as ISO 8601 in UTC, to the second where that is all there is."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{ms % 1000:03d}Z" if ms % 1000 else f"{whole}Z"


def rounded(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")


def as_dict(transition: Transition) -> dict[str, object]:
    """The alert line as an object; the keys' order is part of the contract."""
    return {
        "alert_id": transition.alert_id,
        "sequence": transition.sequence,
        "type": transition.type,
        "series": transition.series,
        "event_time": iso(transition.event_time),
        "started_at": iso(transition.started_at),
        "severity": transition.severity,
        "rule": transition.rule,
        "window_seconds": transition.window_ms // 1000,
        "observed_negative": transition.observed_negative,
        "expected_negative": rounded(transition.expected_negative),
        "observed_total": transition.observed_total,
        "share": rounded(transition.share),
        "usual_share": rounded(transition.usual_share),
        "p_value": rounded(transition.p_value),
        "p_value_share": rounded(transition.p_value_share),
        "copies": transition.copies,
        "warming_up": transition.warming_up,
        "model_versions": list(transition.model_versions),
        "summary": transition.summary,
        "evidence": [document.document_id for document in transition.documents],
    }


def alert_line(transition: Transition) -> bytes:
    """The alert line as JSON, without a line end."""
    return msgspec.json.encode(as_dict(transition))
