"""What is measured, under names and units by Prometheus' book."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 86400)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 256, 500, 1000, 2500, 5000)

_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "barograph_documents": ("Documents read and classified.", ()),
    "barograph_readings": ("Readings written: one for each document and series.", ()),
    "barograph_late_documents": ("Readings that came after their bucket and are not counted.", ()),
    "barograph_duplicate_documents": ("Readings of a document that was counted already.", ()),
    "barograph_dead_lettered_documents": ("Records refused, by kind of reason.", ("reason_class",)),
    "barograph_alert_transitions": ("Transitions of alerts, by type.", ("type",)),
    "barograph_webhook_attempts": (
        "Attempts to deliver, by sink and outcome.",
        ("sink", "outcome"),
    ),
    "barograph_role_restarts": ("How often a role was started again after a crash.", ("role",)),
}
_GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "barograph_consumer_lag_records": ("Records behind the end of the log.", ("origin",)),
    "barograph_consumer_lag_seconds": (
        "Age of the newest processed record while records are waiting, else 0.",
        ("origin",),
    ),
    "barograph_alerts_firing": ("Alerts that have not ended, in this process' partitions.", ()),
    "barograph_model_info": ("1 for the model version in service.", ("version",)),
    "barograph_role_up": ("1 while the role runs and reports no trouble.", ("role",)),
}
_HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "barograph_publish_to_decision_seconds": (
        "From a document's publication to the commit of the windows that count it; the oldest"
        " document of each batch is measured.",
        (),
        _SECONDS,
    ),
    "barograph_batch_size_documents": ("Records in a batch.", ("role",), _SIZES),
}


class PrometheusMeter:
    """A meter with a registry of its own: two of them in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._counters = {
            n: Counter(n, h, ls, registry=registry) for n, (h, ls) in _COUNTERS.items()
        }
        self._gauges = {n: Gauge(n, h, ls, registry=registry) for n, (h, ls) in _GAUGES.items()}
        self._histograms = {
            n: Histogram(n, h, ls, buckets=b, registry=registry)
            for n, (h, ls, b) in _HISTOGRAMS.items()
        }
        self._model: str | None = None

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Increase a counter. Raises KeyError for a name that is not in the tables above."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge; a new model version replaces the old one's."""
        gauge = self._gauges[name]
        if name == "barograph_model_info":
            version = labels["version"]
            if self._model not in (None, version):
                gauge.remove(self._model)
            self._model = version
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one value of a distribution."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def exposition(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
