"""Records that could not be processed: kept whole, with the reason, and counted."""

import base64
import binascii
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ingest.durable import sync_folder
from ingest.event_time import iso
from ingest.record import DeadLetter, Origin, Record

_PREVIEW_BYTES = 200


def reason_class(reason: str) -> str:
    """Return the part of a reason that is the same for all of its kind: up to its colon."""
    return reason.partition(":")[0]


def to_json(letter: DeadLetter) -> bytes:
    """Write a dead letter as one line of JSON, the raw bytes in base64 with a preview."""
    record = letter.record
    return json.dumps(
        {
            "at": iso(letter.at),
            "reason": letter.reason,
            "origin": record.origin.name,
            "partition": record.origin.partition,
            "offset": record.offset,
            "logged_at": None if record.logged_at is None else iso(record.logged_at),
            "preview": _preview(record.raw),
            "raw": base64.b64encode(record.raw).decode(),
        }
    ).encode()


def from_json(line: bytes) -> DeadLetter:
    """Read what ``to_json`` wrote.

    Raises:
        ValueError: it is something else.

    """
    try:
        fields = json.loads(line)
        logged_at = fields["logged_at"]
        record = Record(
            raw=base64.b64decode(fields["raw"], validate=True),
            origin=Origin(str(fields["origin"]), int(fields["partition"])),
            offset=int(fields["offset"]),
            logged_at=None if logged_at is None else _moment(logged_at),
        )
        return DeadLetter(record, str(fields["reason"]), _moment(fields["at"]))
    except (KeyError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise ValueError(f"not a dead letter: {error!r}") from error


class DeadLetterFile:
    """A file of dead letters, one a line, for one writer at a time.

    It holds raw input, author names included: only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, letters: Sequence[DeadLetter]) -> None:
        """Write letters so that they survive a crash of the machine once this returns.

        A line that an earlier crash left unfinished is ended first, and stays unreadable.

        Raises:
            OSError: the disk is full or the folder cannot be written.

        """
        if not letters:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            file.write(b"\n" if torn else b"")
            file.writelines(to_json(letter) + b"\n" for letter in letters)
            file.flush()
            os.fsync(descriptor)
        if new:
            sync_folder(self.path.parent)

    def read(self, damaged: Callable[[str], None] | None = None) -> Iterator[DeadLetter]:
        """Yield all letters, oldest first; nothing where there is no file yet.

        A line that a crash left unfinished is skipped, and ``damaged`` is told of it.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    letter = from_json(line)
                except ValueError:
                    if damaged is not None:
                        damaged(f"{self.path}, line {number}: unfinished or damaged, skipped")
                    continue
                yield letter


class TooManyDeadLetters(RuntimeError):
    """So much of the input is refused that a setting must be wrong, or a sender."""


class ShareLimit:
    """Watches the share of dead letters among the newest records.

    It looks at the newest batches that hold ``window`` records between them, never at fewer
    than ``minimum``, and raises where more than ``limit`` (0 to 1) of these are dead letters.
    """

    def __init__(self, limit: float, window: int = 1000, minimum: int = 100) -> None:
        if not 0 <= limit <= 1:
            raise ValueError(f"the limit of dead letters is a share from 0 to 1, not {limit}")
        self.limit = limit
        self._window = max(window, minimum)
        self._minimum = max(1, minimum)
        self._batches: deque[tuple[int, int, Counter[str]]] = deque()
        self._total = 0
        self._bad = 0

    def count(self, good: int, bad: int, reasons: Iterable[str] = ()) -> None:
        """Take a batch of ``good`` documents and ``bad`` dead letters with their reasons.

        Raises:
            TooManyDeadLetters: the share is above the limit; its text says what to do.

        """
        if good + bad <= 0:
            return
        self._batches.append((good + bad, bad, Counter(map(reason_class, reasons))))
        self._total += good + bad
        self._bad += bad
        # Whole batches only: the order of good and bad inside one is not known here.
        while self._total - self._batches[0][0] >= self._window:
            size, refused, _ = self._batches.popleft()
            self._total -= size
            self._bad -= refused
        if self._total >= self._minimum and self._bad > self.limit * self._total:
            raise TooManyDeadLetters(self._message())

    def _message(self) -> str:
        causes: Counter[str] = sum((reasons for _, _, reasons in self._batches), Counter())
        commonest = ""
        if causes:
            reason, times = causes.most_common(1)[0]
            commonest = f" The commonest reason is '{reason}' ({times} times)."
        return (
            f"{self._bad} of the last {self._total} records ({self._bad / self._total:.0%}) went "
            f"to the dead letters; the limit is {self.limit:.0%}.{commonest} Nothing is lost: "
            "look at them with 'barograph dead-letters list', mend the sender or the setting, "
            "and run 'barograph dead-letters replay'. Raise the limit if so much bad input is "
            "expected."
        )


def _preview(raw: bytes) -> str:
    text = raw[:_PREVIEW_BYTES].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _moment(written: str) -> int:
    time = datetime.fromisoformat(written)
    return round(time.timestamp() * 1000)
