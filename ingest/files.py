"""Records from a file or standard input: JSON Lines or CSV, plain or compressed."""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ingest.record import Origin, Record

# A longer line becomes a record cut one byte above this, which parsing then refuses.
LONGEST_LINE = 16 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TEXT_COLUMNS = frozenset({"text", "title", "summary", "body"})
_DELIMITERS = ",;\t|"


class SourceError(Exception):
    """A source cannot be read, or not to its end."""


def read_records(path: str | Path, name: str, stdin: BinaryIO | None = None) -> Iterator[Record]:
    """Yield a record for each line that is not blank; its offset is the line's number, from 1.

    ``path`` is a file, or "-" for ``stdin``. Compression is told by content, CSV (with a
    header) by the suffix or else by its first line. A CSV row becomes the JSON of its filled
    cells; a row that does not fit the header, and any line of a JSON Lines file, passes as it
    is, so that parsing can say what is wrong with it.

    Raises:
        SourceError: at once where the source is missing or cannot be opened; after the
            records before it where it turns out damaged or cut off.

    """
    if str(path) == "-":
        opened = stdin if stdin is not None else sys.stdin.buffer
        return _Reader(opened, "standard input", Origin(name)).records()
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (closed by the generator that it is given to)
    except OSError as error:
        raise SourceError(f"cannot open {path}: {error.strerror}") from error
    return _closing(file, _Reader(file, str(path), Origin(name)).records())


def _closing(file: BinaryIO, records: Iterator[Record]) -> Iterator[Record]:
    with file:
        yield from records


class _Reader:
    """One pass over a source."""

    def __init__(self, file: BinaryIO, path: str, origin: Origin) -> None:
        self._file = file
        self._path = path
        self._origin = origin
        self._line = 0

    def records(self) -> Iterator[Record]:
        try:
            lines = self._lines(self._uncompressed())
            first = next(filter(bytes.strip, lines), None)
            if first is None:
                return
            if first.startswith(_WIDE_MARKS):
                raise SourceError(f"{self._path} is UTF-16 or UTF-32: convert it to UTF-8")
            first = first.removeprefix(_UTF8_MARK)
            if self._is_csv(first):
                yield from self._rows(first, lines)
            else:
                yield from self._plain(first, lines)
        except (EOFError, zlib.error, OSError) as error:
            # The line that could not be read is one further than the last.
            raise SourceError(
                f"{self._path} is damaged or cut off after line {self._line}: {error}"
            ) from error

    def _uncompressed(self) -> BinaryIO:
        """The content, whatever the name: a file that is called .gz may not be compressed."""
        buffered = self._file
        if not isinstance(buffered, io.BufferedReader):
            buffered = io.BufferedReader(cast(io.RawIOBase, buffered))
        if buffered.peek(2)[:2] == _GZIP:
            return cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
        return buffered

    def _lines(self, content: BinaryIO) -> Iterator[bytes]:
        """Every line with its end, overlong ones cut; memory stays bounded."""
        while line := content.readline(LONGEST_LINE + 1):
            whole = line
            while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                line = content.readline(LONGEST_LINE + 1)
            self._line += 1
            yield whole

    def _is_csv(self, first: bytes) -> bool:
        if first.lstrip()[:1] == b"{":
            return False
        if self._path.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
            return True
        cells = _cells(first)
        return len(cells) > 1 and not _TEXT_COLUMNS.isdisjoint(map(_column, cells))

    def _plain(self, first: bytes, lines: Iterator[bytes]) -> Iterator[Record]:
        line: bytes | None = first
        while line is not None:
            raw = line.rstrip(b"\r\n")
            if raw.strip():
                yield Record(raw, self._origin, self._line)
            line = next(lines, None)

    def _rows(self, first: bytes, lines: Iterator[bytes]) -> Iterator[Record]:
        header = [_column(cell) for cell in _cells(first)]
        if _TEXT_COLUMNS.isdisjoint(header):
            raise SourceError(
                f"{self._path} has no column named text, title, summary or body "
                f"in its first line: {', '.join(header)[:200]}"
            )
        taken: list[bytes] = []
        rows = csv.reader(_texts(lines, taken), delimiter=_delimiter(first))
        while True:
            taken.clear()
            start = self._line + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error:  # an overlong cell, most likely a quote that is never closed
                cells = []
            raw = b"".join(taken).rstrip(b"\r\n")
            if not raw.strip():
                continue
            if 0 < len(cells) <= len(header):
                raw = _row(header, cells)
            yield Record(raw[: LONGEST_LINE + 1], self._origin, start)


def _texts(lines: Iterator[bytes], taken: list[bytes]) -> Iterator[str]:
    """Lines as text that gives back its bytes; those of the row in work are kept."""
    size = 0
    for line in lines:
        size = len(line) + (size if taken else 0)
        if size > 2 * LONGEST_LINE:
            raise SourceError(f"a CSV row is longer than {size} bytes: a quote is never closed")
        taken.append(line)
        yield line.decode("utf-8", "surrogateescape")


def _row(header: list[str], cells: list[str]) -> bytes:
    filled = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell}
    return json.dumps(filled, ensure_ascii=False).encode("utf-8", "surrogateescape")


def _cells(line: bytes) -> list[str]:
    try:
        text = line.decode("utf-8", "replace")
        return next(csv.reader([text], delimiter=_delimiter(line)), [])
    except csv.Error:
        return []


def _column(cell: str) -> str:
    return cell.strip().lower()


def _delimiter(header: bytes) -> str:
    """The likeliest of the usual delimiters: names of columns have none of them."""
    return max(_DELIMITERS, key=lambda mark: header.count(mark.encode()))
