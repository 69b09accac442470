"""From publishing to the webhook, at a tenth of full load.

An alert is decided when event time passes the end of its bucket (and the allowed lateness, here
none). So the delay that the program adds is counted from the publishing of the document that
moves event time there to the arrival of the webhook.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.fleet import Fleet, wait_until
from ingest.broker import DocumentProducer

MINUTE = 60_000
BAD = "Shares of bank {0} plunge as losses mount and depositors flee, regulators alarmed, day {1}"
DULL = "Bank {0} will hold its annual meeting at the usual place, agenda item {1}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delay", description=__doc__)
    parser.add_argument("--alerts", type=int, default=200)
    parser.add_argument("--rate", type=float, default=60.0, help="documents a second")
    asked = parser.parse_args()
    settings = {
        "BAROGRAPH_SERIES_BY": "symbol",
        "BAROGRAPH_WATCH__ALLOWED_LATENESS_SECONDS": "0",
        "BAROGRAPH_CLASSIFY__THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as name:
        fleet = Fleet(Path(name), settings, topics={"news": 1})
        try:
            delays = measure(fleet, asked.alerts, asked.rate)
        finally:
            fleet.close()
    delays.sort()
    print(f"publish to webhook at {asked.rate:.0f} documents/s, {len(delays)} webhooks:")
    print(f"  p50 {delays[len(delays) // 2] * 1000:.0f} ms, ", end="")
    print(f"p99 {delays[int(len(delays) * 0.99)] * 1000:.0f} ms, most {delays[-1] * 1000:.0f} ms")


def measure(fleet: Fleet, alerts: int, rate: float) -> list[float]:
    fleet.produce(calm(alerts))
    for role in ("classify", "watch", "deliver"):
        fleet.add(role)
    wait_until(fleet.is_watched, 300, "calm history in the windows")
    time.sleep(2)
    producer = DocumentProducer(fleet.config)
    published: list[tuple[int, float]] = []
    began = time.perf_counter()
    for number, (event_time, row) in enumerate(bursts(alerts)):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        published.append((event_time, time.time()))
        producer.send("news", str(row["id"]), json.dumps(row).encode())
        producer.flush()
    time.sleep(3)
    producer.close()
    delays = []
    for effect in fleet.receiver.effects:
        if effect.content["type"] != "alert.firing":
            continue
        due = moment(effect.content["timestamp"])
        sent = next((at for event_time, at in published if event_time >= due), None)
        if sent is not None:
            delays.append(effect.at - sent)
    if len(delays) < alerts // 2:
        raise RuntimeError(f"only {len(delays)} of {alerts} bursts raised an alert")
    return delays


START = 1_700_000_000_000 // MINUTE * MINUTE


def calm(alerts: int):
    """Two days on which nothing happens to anybody."""
    for hour in range(48):
        for bank in range(alerts):
            if (hour + bank) % 4 == 0:
                yield row(f"calm-{hour}-{bank}", DULL.format(bank, hour), bank, hour * 60 * MINUTE)


def bursts(alerts: int):
    """A minute of bad news for one bank after the other."""
    for minute in range(alerts + 1):
        for number in range(10):
            event_time = 48 * 60 * MINUTE + minute * MINUTE + number * 6_000
            text = BAD.format(minute, number)
            found = row(f"bad-{minute}-{number}", text, minute, event_time)
            yield START + event_time, found


def row(identity: str, text: str, bank: int, after_ms: int) -> dict[str, object]:
    return {
        "id": identity,
        "text": text,
        "published_at": START + after_ms,
        "kind": "news",
        "source": "bench",
        "symbols": [f"BANK{bank}"],
    }


def moment(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp() * 1000)


if __name__ == "__main__":
    main()
