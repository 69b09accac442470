"""A made stream: quiet days, then an hour of bad news about one company."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 5, tzinfo=UTC)
QUIET_HOURS = 60
_CALM = (
    "Acme to present at an industry conference in {place}",
    "Acme opens a new office in {place}",
    "Acme names the date of its annual meeting in {place}",
)
_PLACES = ("Lyon", "Oslo", "Porto", "Graz", "Turin", "Cork", "Bonn", "Lodz", "Ghent", "Malmo")
_BAD = (
    "Acme shares plunge after a profit warning",
    "Acme slumps as it slashes its forecast for the year",
    "Regulator opens a fraud investigation into Acme",
    "Acme loses its largest customer, shares tumble",
    "Acme downgraded to sell, analyst fears a dividend cut",
    "Acme recalls its best-selling product after injuries",
    "Acme misses earnings by a wide margin and falls sharply",
    "Acme bonds sink on default fears",
    "Acme chief resigns amid accounting scandal",
    "Acme faces bankruptcy risk, lenders warn",
    "Acme cuts thousands of jobs as losses mount",
    "Acme stock crashes to a five-year low",
)


def documents() -> Iterator[dict[str, Any]]:
    """The stream in the order of its times."""
    number = 0
    for hour in range(QUIET_HOURS):
        for minute in (5, 35):
            place = _PLACES[number % len(_PLACES)]
            text = _CALM[number % len(_CALM)].format(place=f"{place}, part {number}")
            yield _document(number, START + timedelta(hours=hour, minutes=minute), text)
            number += 1
    for step, text in enumerate(_BAD):
        moment = START + timedelta(hours=QUIET_HOURS, minutes=2 * step)
        yield _document(number, moment, text)
        number += 1
    for hour in range(QUIET_HOURS + 1, QUIET_HOURS + 9):
        text = _CALM[0].format(place=f"{_PLACES[hour % 10]}, part {number}")
        yield _document(number, START + timedelta(hours=hour, minutes=5), text)
        number += 1


def lines() -> str:
    """The stream as JSON Lines."""
    return "".join(json.dumps(document) + "\n" for document in documents())


def _document(number: int, moment: datetime, text: str) -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "text": text,
        "published_at": moment.isoformat().replace("+00:00", "Z"),
        "source": "wire",
        "symbol": "ACME",
        "author": "Jane Reporter",
    }
