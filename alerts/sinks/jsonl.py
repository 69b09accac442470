"""A file of alert lines, one a transition."""

import os
import threading
from pathlib import Path

import msgspec

from alerts.delivery import Delivery, Outcome
from alerts.outbox import unpack
from alerts.sinks.config import SinkConfig, SinkProblem


class _Line(msgspec.Struct):
    alert_id: str
    sequence: int


_read = msgspec.json.Decoder(_Line).decode


class JsonlSink:
    """Appends durably, and each transition once: what the file holds is known from reading it.

    One process writes a file. A last line that a crash tore is cut off when it is opened.
    """

    def __init__(self, config: SinkConfig) -> None:
        if config.path is None:
            raise SinkProblem(f"sink {config.name}: a jsonl sink needs a path")
        self._lock = threading.Lock()
        try:
            config.path.parent.mkdir(parents=True, exist_ok=True)
            self._known = _mend(config.path)
            self._file = config.path.open("ab", buffering=0)
        except OSError as problem:
            raise SinkProblem(f"sink {config.name}: {problem}") from problem

    def deliver(self, delivery: Delivery, now: int) -> Outcome:
        """Append the alert line unless the file has it."""
        line = bytes(unpack(delivery.body).line)
        with self._lock:
            if delivery.transition in self._known:
                return Outcome("ok", "already there")
            place = self._file.seek(0, os.SEEK_END)
            try:
                written = self._file.write(line + b"\n")
                if written != len(line) + 1:
                    raise OSError("the file took only a part of the line")
                os.fsync(self._file.fileno())
            except OSError as problem:
                self._file.truncate(place)
                return Outcome("retry", str(problem))
            self._known.add(delivery.transition)
        return Outcome("ok")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _mend(path: Path) -> set[str]:
    """The ids of the transitions in the file, its torn end cut off."""
    if not path.exists():
        return set()
    known: set[str] = set()
    whole = 0
    with path.open("r+b") as lines:
        for line in lines:
            try:
                found = _read(line)
            except msgspec.DecodeError:
                break
            if not line.endswith(b"\n"):
                break
            known.add(f"{found.alert_id}.{found.sequence}")
            whole += len(line)
        lines.truncate(whole)
    return known
