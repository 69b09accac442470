"""Raw records and where they came from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A place that keeps an order: a Kafka partition, a file, an HTTP endpoint."""

    name: str
    partition: int = 0

    def __str__(self) -> str:
        return f"{self.name}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Record:
    """One raw message. ``offset`` is its place in the origin (a file's line number, from 1).

    ``logged_at`` is when the origin's log took it, in milliseconds since 1970, or None where
    the origin does not say (a file).
    """

    raw: bytes
    origin: Origin
    offset: int
    logged_at: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be processed, whole, and why. ``at`` is processing time (ms)."""

    record: Record
    reason: str
    at: int
