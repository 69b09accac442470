"""Documents from a file or standard input, into the inbox or into Kafka."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain as chained
from pathlib import Path
from typing import Protocol

from barograph.intake import Busy, Inbox, Parcel, file_origin
from barograph.logs import Logger
from barograph.supervisor import Fatal, Pulse
from ingest.files import SourceError, read_records
from ingest.record import Origin, Record

_PARCEL = 64
_OUTSTANDING = 8


class Taker(Protocol):
    """Takes the records of one input in order."""

    def begin(self, origin: Origin, live: bool) -> None:
        """An input begins; ``live`` where it may pause."""

    def put(self, records: list[Record], stop: threading.Event, pulse: Pulse) -> None:
        """Take records, sooner or later; returns early where ``stop`` is set."""

    def finish(self, stop: threading.Event, pulse: Pulse) -> None:
        """Return when all that was put is safe, or ``stop`` is set."""


@dataclass
class InputRole:
    """Reads one input to its end, then rests: the process goes on serving."""

    path: str
    taker: Taker
    log: Logger
    wall: Callable[[], int]
    name: str = "input"

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Read until the end or until told to stop."""
        live = self.path == "-"
        try:
            records = read_records(self.path, "stdin" if live else "file", sys.stdin.buffer)
            first = next(records, None) if not live else None
            origin = (
                Origin("stdin")
                if live
                else file_origin(Path(self.path).name, b"" if first is None else first.raw)
            )
            self.taker.begin(origin, live)
            # Line numbers of another run of the same pipe must not be taken for this one's.
            base = self.wall() * 1_000_000 if live else 0
            count = 0
            everything = records if first is None else chained((first,), records)
            for parcel in _parcels(everything, 1 if live else _PARCEL):
                if stop.is_set():
                    return
                moved = [Record(r.raw, origin, base + r.offset) for r in parcel]
                self.taker.put(moved, stop, pulse)
                pulse.beat()
                count += len(parcel)
            self.taker.finish(stop, pulse)
            self.log.info("input read to its end", path=self.path, records=count)
        except SourceError as problem:
            raise Fatal(str(problem)) from problem
        pulse.beat()


def _parcels(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    parcel: list[Record] = []
    for record in records:
        parcel.append(record)
        if len(parcel) >= size:
            yield parcel
            parcel = []
    if parcel:
        yield parcel


class InboxTaker:
    """Puts records into the inbox, and again where the pipeline failed with them in hand."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._outstanding: deque[Parcel] = deque()
        self._origin = Origin("file")
        self._live = False

    def begin(self, origin: Origin, live: bool) -> None:
        """A file is known to hold more until its end; a pipe may pause."""
        self._origin, self._live = origin, live
        self._inbox.register(origin, busy=not live)

    def put(self, records: list[Record], stop: threading.Event, pulse: Pulse) -> None:
        """Queue records; wait while too many are on their way."""
        parcel = Parcel(self._origin, [r.raw for r in records], [r.offset for r in records])
        self._send(parcel, stop, pulse)
        self._outstanding.append(parcel)
        while len(self._outstanding) > _OUTSTANDING and not stop.is_set():
            self._settle(stop, pulse)

    def finish(self, stop: threading.Event, pulse: Pulse) -> None:
        """Wait for everything; from then on the origin holds nothing more."""
        while self._outstanding and not stop.is_set():
            self._settle(stop, pulse)
        if not stop.is_set():
            self._inbox.register(self._origin, busy=False)

    def _send(self, parcel: Parcel, stop: threading.Event, pulse: Pulse) -> None:
        while not stop.is_set():
            pulse.beat()
            try:
                self._inbox.put(parcel, 1.0)
            except Busy:
                continue
            return

    def _settle(self, stop: threading.Event, pulse: Pulse) -> None:
        """Wait for the oldest parcel; where it was not taken send all again, in order."""
        try:
            self._outstanding[0].done.result(1.0)
            self._outstanding.popleft()
        except TimeoutError:
            pulse.beat()
        except Busy:
            # What was committed after all is known by its line number and passed over.
            stop.wait(0.2)
            again = [Parcel(p.origin, p.raws, p.offsets) for p in self._outstanding]
            self._outstanding = deque(again)
            for parcel in again:
                self._send(parcel, stop, pulse)
