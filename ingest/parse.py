"""From a raw record to a document, or the reason why not."""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Never

import msgspec

from ingest.clean import clean_text
from ingest.document import Document, Kind
from ingest.encoding import decode, unscramble
from ingest.event_time import iso, read_event_time
from ingest.identity import document_id, pseudonym
from ingest.record import Record

_KINDS: dict[str, Kind] = {"news": "news", "comment": "comment"}

_MOST_SYMBOLS = 32
_SYMBOL = re.compile(r"\^?[^\W_][\w.:/^=&-]{0,23}")
_SYMBOLS_APART = re.compile(r"[,;|\s]+")
_URL = re.compile(r"https?://[^\s<>\"]{1,2040}", re.IGNORECASE)
_LANG = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}")
_PSEUDONYM = re.compile(r"[0-9a-f]{16}")
_LONGEST_LABEL = 100


class Malformed(ValueError):
    """A record that can never become a document.

    Its text is the reason: a class of reasons, and after a colon what was special here.
    """


@dataclass(frozen=True, slots=True)
class Policy:
    """What is accepted.

    ``key`` makes the authors' pseudonyms; ``max_bytes`` bounds a raw message, ``max_chars`` a
    cleaned title or body; an event time may be ``future_tolerance_ms`` ahead of the clock;
    ``default_kind`` says by origin name what a document without a kind is ("news" otherwise).
    """

    key: bytes = field(repr=False)
    max_bytes: int = 1_000_000
    max_chars: int = 20_000
    future_tolerance_ms: int = 300_000
    default_kind: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.key:
            raise ValueError("the key for author pseudonyms is empty")
        for origin, kind in self.default_kind.items():
            if kind not in _KINDS:
                raise ValueError(f"default kind of {origin} is {kind!r}, not news or comment")


class _Message(msgspec.Struct):
    id: str | int | None = None
    text: str | None = None
    title: str | None = None
    summary: str | None = None
    body: str | None = None
    published_at: str | int | float | None = None
    kind: str | None = None
    source: str | None = None
    author: str | int | None = None
    author_pseudonym: str | None = None
    url: str | None = None
    lang: str | None = None
    symbol: str | None = None
    symbols: list[str] | str | None = None
    subject: str | None = None
    board: str | None = None


_decode_json = msgspec.json.Decoder(_Message).decode


def parse(record: Record, policy: Policy, now: int) -> Document:
    """Return the document that a raw record holds; ``now`` is the wall clock in ms.

    Raises:
        Malformed: the record can never become a document.

    """
    message = _read(record.raw, policy.max_bytes)
    event_time = _event_time(message, record, policy, now)
    kind = _kind(message.kind, policy.default_kind.get(record.origin.name, "news"))
    title, body = _texts(message, policy.max_chars)
    source = _label(message.source) or "unknown"
    author = _author(message, policy.key)
    return Document(
        id=document_id(message.id, title, body, source, event_time, author),
        title=title,
        body=body,
        kind=kind,
        source=source,
        event_time=event_time,
        author=author,
        url=_address(message.url),
        lang=_lang(message.lang),
        symbols=_symbols(message),
        subject=_label(message.subject) or _label(message.board),
    )


def _read(raw: bytes, max_bytes: int) -> _Message:
    if len(raw) > max_bytes:
        raise Malformed(f"too large: {len(raw)} bytes or more, the limit is {max_bytes}")
    try:
        text = decode(raw)
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        return _decode_json(text)
    except msgspec.ValidationError as error:
        _refuse(error)
    except msgspec.DecodeError as error:
        if "\\ud" not in text and "\\uD" not in text:
            raise Malformed(f"not JSON: {error}") from None
    except UnicodeEncodeError as error:  # a surrogate in a UTF-16 or UTF-32 message
        raise Malformed(f"not UTF-8: {error.reason}") from None
    except RecursionError:
        raise Malformed("nested too deeply") from None
    return _read_half_characters(text)


def _read_half_characters(text: str) -> _Message:
    """Read a message with half a surrogate pair in a text that was cut; cleaning drops it."""
    try:
        return msgspec.convert(json.loads(text, parse_constant=_no_constant), _Message)
    except msgspec.ValidationError as error:
        _refuse(error)
    except RecursionError:
        raise Malformed("nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"not JSON: {error!s:.200}") from None


def _refuse(error: msgspec.ValidationError) -> Never:
    if str(error).startswith("Expected `object`"):
        raise Malformed(f"not a JSON object: {error}") from None
    raise Malformed(f"wrong type: {error}") from None


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _event_time(message: _Message, record: Record, policy: Policy, now: int) -> int:
    try:
        event_time = read_event_time(message.published_at)
    except ValueError as error:
        raise Malformed(str(error)) from None
    clock = now if record.logged_at is None else record.logged_at
    if event_time > clock + policy.future_tolerance_ms:
        raise Malformed(
            f"event time is in the future: {iso(event_time)}, the record is of {iso(clock)}"
        )
    return event_time


def _kind(written: str | None, default: str) -> Kind:
    name = written.strip().lower() if written else ""
    kind = _KINDS.get(name or default)
    if kind is None:
        raise Malformed(f"unknown kind: {name!a:.40} is not news or comment")
    return kind


def _texts(message: _Message, max_chars: int) -> tuple[str, str]:
    """Title and body, cleaned; a document that has one text only has it as its title."""
    written = [message.title, message.text, message.summary, message.body]
    parts: list[str] = []
    room = max_chars
    for text in written:
        if not text or room <= 0:
            continue
        part = clean_text(unscramble(text), room)
        if part and part not in parts:
            parts.append(part)
            if len(parts) > 1:  # the title has its own limit
                room -= len(part) + 1
    if not parts:
        gone = "nothing is left after cleaning" if any(written) else "text is missing or empty"
        raise Malformed(f"no text: {gone}")
    return parts[0], " ".join(parts[1:])


def _label(written: str | None) -> str | None:
    return clean_text(unscramble(written), _LONGEST_LABEL) or None if written else None


def _author(message: _Message, key: bytes) -> str | None:
    """A pseudonym: our own ingest role's, which made the name unreadable already, or a new one."""
    known = message.author_pseudonym
    if known is not None and _PSEUDONYM.fullmatch(known):
        return known
    return pseudonym(message.author, key)


def _address(written: str | None) -> str | None:
    if not written:
        return None
    url = written.strip()
    return url if _URL.fullmatch(url) and url.isprintable() else None


def _lang(written: str | None) -> str | None:
    lang = written.strip() if written else ""
    return lang if _LANG.fullmatch(lang) else None


def _symbols(message: _Message) -> tuple[str, ...]:
    """Tickers in the order written, without "$"; what cannot be one is left out."""
    written = message.symbols if message.symbols is not None else []
    if isinstance(written, str):
        written = _SYMBOLS_APART.split(written[:2000])
    found: dict[str, None] = {}
    for symbol in itertools.islice(itertools.chain((message.symbol or "",), written), 200):
        if len(symbol) > _LONGEST_LABEL:
            continue
        ticker = clean_text(symbol, _LONGEST_LABEL).lstrip("$").upper()
        if _SYMBOL.fullmatch(ticker):
            found[ticker] = None
            if len(found) == _MOST_SYMBOLS:
                break
    return tuple(found)
