"""What the watch stage asks of a store: one atomic, fenced commit a batch and partition.

All keys are names relative to one partition; all values are bytes. A store keeps a hash, a
string (which can be appended to) and a list of outgoing lines apart by their names alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class StoreUnavailable(Exception):
    """The store did not answer; the outcome of the call is unknown and it may be repeated."""


class Fenced(Exception):
    """Somebody else has claimed the partition since: stop writing to it."""


class Behind(Exception):
    """The stored offset is not the one that the fence names: claim again and seek there."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write: ``epoch`` counts claims; ``offset`` is the next entry to be read."""

    epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class PutField:
    """Set one field of the hash ``key``."""

    key: str
    field: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class DeleteField:
    """Remove one field of the hash ``key``; no error where it is absent."""

    key: str
    field: bytes


@dataclass(frozen=True, slots=True)
class Append:
    """Append to the string ``key``, which begins empty."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """Set the string ``key``."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove ``key``, whatever it holds; no error where it is absent."""

    key: str


Write = PutField | DeleteField | Append | Put | Delete


class WatchStore(Protocol):
    """The state of the readings partitions. Every call may raise ``StoreUnavailable``."""

    def claim(self, partition: int) -> Fence:
        """Take the partition over: epoch + 1, atomically; earlier fences are void."""
        ...

    def fields(self, partition: int, key: str) -> dict[bytes, bytes]:
        """Read all fields of the hash ``key``; empty where it is absent."""
        ...

    def value(self, partition: int, key: str) -> bytes | None:
        """Read the string ``key``; None where it is absent."""
        ...

    def values(self, partition: int, keys: Sequence[str]) -> list[bytes | None]:
        """Read the strings ``keys``, in that order, each None where it is absent."""
        ...

    def commit(
        self,
        partition: int,
        fence: Fence,
        next_offset: int,
        writes: Sequence[Write],
        outbox: Sequence[bytes],
    ) -> Fence:
        """Apply ``writes`` in order, append ``outbox``, store ``next_offset``: all or nothing.

        ``next_offset`` lies beyond ``fence.offset`` wherever there is anything to write.
        Returns the fence for the next commit. May be repeated with the same arguments after an
        unknown outcome: where the epoch is ours and the stored offset is already
        ``next_offset``, nothing is written and the call returns as if it had done the work.
        Raises ``Fenced`` where the stored epoch is another, ``Behind`` where the stored offset
        is neither ``fence.offset`` nor ``next_offset``.
        """
        ...
