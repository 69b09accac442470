"""How a stage reports what it does, without knowing who counts."""

from typing import Protocol


class Meter(Protocol):
    """Takes measurements by metric name; labels are keyword arguments."""

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Increase a counter."""

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one value of a distribution."""


class NullMeter:
    """Counts nothing."""

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Ignore."""

    def set(self, name: str, value: float, **labels: str) -> None:
        """Ignore."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Ignore."""
