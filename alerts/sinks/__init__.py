"""Where alerts go. A new sink is one file and one line in ``SINKS``."""

from collections.abc import Callable
from typing import Protocol

from alerts.delivery import Delivery, Outcome
from alerts.sinks.config import SinkConfig
from alerts.sinks.jsonl import JsonlSink
from alerts.sinks.webhook import WebhookSink


class Sink(Protocol):
    """Takes deliveries. May be called from several threads, and twice with the same delivery.

    An attempt is over after ``longest_s`` seconds.
    """

    longest_s: float

    def deliver(self, delivery: Delivery, now: int) -> Outcome:
        """Attempt ``delivery`` at ``now`` (wall clock, ms). Does not raise for trouble."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


SINKS: dict[str, Callable[[SinkConfig], Sink]] = {
    "jsonl": JsonlSink,
    "webhook": WebhookSink,
}


def open_sink(config: SinkConfig) -> Sink:
    """The sink that ``config`` describes. Raises SinkProblem."""
    return SINKS[config.type](config)
