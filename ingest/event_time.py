"""When a text was published, from what its sender wrote."""

import math
import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMBER = re.compile(r"-?[0-9]{9,17}(?:\.[0-9]{1,9})?")

# As seconds this is the year 5138, as milliseconds March 1973.
_LEAST_MILLISECONDS = 100_000_000_000

# 1970 is what a missing time looks like, or milliseconds that were taken for seconds.
EARLIEST = 365 * 86_400_000


def read_event_time(written: str | float | None) -> int:
    """Return milliseconds since 1970 (UTC) for an ISO 8601 time or a number.

    A time without a zone is read as UTC, a date as its first instant. Numbers count seconds
    or, from 10^11 on, milliseconds since 1970.

    Raises:
        ValueError: absent, not understood, or before 1971; the message says which.

    """
    if written is None or written == "":
        raise ValueError("no event time: published_at is missing")
    moment = _from_text(written.strip()) if isinstance(written, str) else _from_number(written)
    if moment < EARLIEST:
        raise ValueError(f"event time is out of range: {written!a:.40} is before 1971")
    return moment


def iso(moment: int) -> str:
    """Write milliseconds since 1970 as an ISO 8601 time with "Z"; the number if out of range."""
    try:
        time = _EPOCH + moment * _MILLISECOND
    except OverflowError:
        return f"{moment!s:.24}"
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _from_text(written: str) -> int:
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        if _NUMBER.fullmatch(written):
            return _from_number(float(written) if "." in written else int(written))
        raise ValueError(f"event time not understood: {written!a:.40}") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH) // _MILLISECOND


def _from_number(number: float) -> int:
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError("event time not understood: not a finite number")
    if abs(number) < _LEAST_MILLISECONDS:
        number *= 1000
    # Rounded: 1609754400.001 seconds are a hair less than 1609754400001 ms as a float.
    return round(number)
