"""One step in the life of an alert: what is stored, shown and delivered."""

import msgspec


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document behind an alert. ``event_time`` is in milliseconds since 1970."""

    document_id: str
    event_time: int
    negative_probability: float
    title: str = ""
    source: str = ""
    url: str | None = None


class Transition(msgspec.Struct, frozen=True):
    """A transition of an alert. Times are event times in milliseconds since 1970 (UTC).

    Everything here follows from the readings alone, so that live and replay agree to the byte.
    ``sequence`` counts the transitions of one alert from 0; ``window_ms`` is the length of the
    window with the smallest p-value, and ``observed_*``, ``expected_negative``, ``share``
    and the p-values belong to it. ``copies`` are the documents that repeated a story already
    counted. ``warming_up`` says that the baseline was still mostly prior.
    """

    alert_id: str
    sequence: int
    type: str
    series: str
    rule: str
    severity: str
    event_time: int
    started_at: int
    window_ms: int
    observed_negative: int
    expected_negative: float
    observed_total: int
    share: float
    usual_share: float
    p_value: float
    p_value_share: float
    copies: int
    warming_up: bool
    model_versions: tuple[str, ...]
    documents: tuple[Evidence, ...]
    summary: str

    @property
    def id(self) -> str:
        """The same over retries, restarts and replays."""
        return f"{self.alert_id}.{self.sequence}"
