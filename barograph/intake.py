"""Documents on their way in: from HTTP, a file or standard input to whoever takes them."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Protocol

from ingest.record import DeadLetter, Origin, Record

HTTP = Origin("http")


class Busy(Exception):
    """Not taken now, or not known to be: send it again; a document with its id counts once."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document that was read well: its id, kind and raw message."""

    id: str
    kind: str
    raw: bytes


class Intake(Protocol):
    """Takes documents over; returns when they are safe. Raises Busy."""

    def take(
        self, accepted: Sequence[Accepted], refused: Sequence[DeadLetter], timeout: float
    ) -> None:
        """Take documents and refused records, waiting at most ``timeout`` seconds."""
        ...


@dataclass
class Parcel:
    """Records that belong together. ``done`` is resolved when they are committed.

    ``offsets`` is None where the taker counts them itself.
    """

    origin: Origin
    raws: list[bytes]
    offsets: list[int] | None = None
    logged_at: int | None = None
    done: "Future[None]" = field(default_factory=Future)

    def records(self, first: int) -> list[Record]:
        """The records; ``first`` is the first offset where they carry none."""
        offsets = self.offsets or range(first, first + len(self.raws))
        return [
            Record(raw, self.origin, offset, self.logged_at)
            for raw, offset in zip(self.raws, offsets, strict=True)
        ]


class Inbox:
    """A bounded queue of parcels, for one process without Kafka.

    ``busy`` origins are files that are still being read: they are known to hold more.
    """

    def __init__(self, documents: int, wall: Callable[[], int]) -> None:
        self._parcels: queue.Queue[Parcel] = queue.Queue()
        self._room = threading.Condition()
        self._left = documents
        self._most = documents
        self._wall = wall
        self.origins: dict[Origin, bool] = {HTTP: False}

    def register(self, origin: Origin, busy: bool) -> None:
        """Name an origin, and whether it is known to hold more."""
        self.origins = {**self.origins, origin: busy}

    def put(self, parcel: Parcel, timeout: float) -> None:
        """Queue a parcel. Raises Busy where there is no room within ``timeout`` seconds."""
        size = min(len(parcel.raws), self._most)
        with self._room:
            if not self._room.wait_for(lambda: self._left >= size, timeout):
                raise Busy("too many documents are waiting")
            self._left -= size
        self._parcels.put(parcel)

    def take(
        self, accepted: Sequence[Accepted], refused: Sequence[DeadLetter], timeout: float
    ) -> None:
        """Take documents from HTTP; refused ones go the same way, to be refused there again."""
        raws = [item.raw for item in accepted] + [letter.record.raw for letter in refused]
        if not raws:
            return
        began = time.monotonic()
        parcel = Parcel(HTTP, raws, logged_at=self._wall())
        self.put(parcel, min(timeout, 1.0))
        try:
            parcel.done.result(max(0.0, timeout - (time.monotonic() - began)))
        except FutureTimeout:
            raise Busy("not committed in time") from None

    def collect(self, most: int, timeout: float, linger: float) -> list[Parcel]:
        """Parcels of ``most`` records or a few more; waits ``timeout`` s, then ``linger`` s."""
        found: list[Parcel] = []
        count = 0
        deadline = time.monotonic() + timeout
        while count < most:
            try:
                parcel = self._parcels.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                break
            if not found:
                deadline = time.monotonic() + linger
            found.append(parcel)
            count += len(parcel.raws)
        if count:
            with self._room:
                self._left += sum(min(len(parcel.raws), self._most) for parcel in found)
                self._room.notify_all()
        return found

    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._parcels.empty()

    def refuse_all(self, reason: str) -> None:
        """Tell everyone who waits that it was not taken."""
        for parcel in self.collect(1 << 30, 0.0, 0.0):
            parcel.done.set_exception(Busy(reason))


def file_origin(name: str, first: bytes) -> Origin:
    """An origin for a file with this first line: another content is another origin."""
    return Origin(f"file:{name}:{hashlib.blake2b(first, digest_size=6).hexdigest()}")
