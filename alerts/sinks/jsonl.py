"""A file of alert lines, one a transition."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from alerts.delivery import Delivery, Outcome
from alerts.outbox import unpack
from alerts.sinks.config import SinkConfig, SinkProblem
from ingest.durable import sync_folder


class _Line(msgspec.Struct):
    alert_id: str
    sequence: int


_read = msgspec.json.Decoder(_Line).decode


class JsonlSink:
    """Appends durably, and each transition once, whoever else appends to the same file.

    What the file holds is known from reading it, so a crash between writing and noting so
    repeats nothing. A last line that a crash tore is cut off before anything is appended.
    """

    longest_s = 10.0  # a disk that is slower has other troubles

    def __init__(self, config: SinkConfig) -> None:
        if config.path is None:
            raise SinkProblem(f"sink {config.name}: a jsonl sink needs a path")
        self._threads = threading.Lock()
        self._known: set[str] = set()
        self._read_to = 0
        try:
            config.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = config.path.open("a+b", buffering=0)
            with self._alone():
                self._catch_up()
            sync_folder(config.path.parent)
        except OSError as problem:
            raise SinkProblem(f"sink {config.name}: {problem}") from problem

    def deliver(self, delivery: Delivery, now: int) -> Outcome:
        """Append the alert line unless the file has it."""
        line = bytes(unpack(delivery.body).line) + b"\n"
        try:
            with self._alone():
                self._catch_up()
                if delivery.transition in self._known:
                    return Outcome("ok", "already there")
                self._append(line)
                self._known.add(delivery.transition)
        except OSError as problem:
            return Outcome("retry", str(problem))
        return Outcome("ok")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Neither another thread nor another process appends meanwhile."""
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Read what was appended since the last look; cut off a torn end."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._read_to:  # somebody emptied the file: begin again
            self._read_to = 0
            self._known.clear()
        if size == self._read_to:
            return
        self._file.seek(self._read_to)
        added = self._file.read(size - self._read_to)
        if len(added) != size - self._read_to:
            raise OSError("the file could not be read whole")
        *lines, torn = added.split(b"\n")
        for line in lines:
            try:
                found = _read(line)
            except msgspec.DecodeError:
                continue  # somebody else's line is not ours to remove
            self._known.add(f"{found.alert_id}.{found.sequence}")
        self._read_to = size - len(torn)
        if torn:
            self._file.truncate(self._read_to)

    def _append(self, line: bytes) -> None:
        try:
            if self._file.write(line) != len(line):
                raise OSError("the file took only a part of the line")
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._read_to)
            raise
        self._read_to += len(line)
