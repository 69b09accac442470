"""Kafka to committed windows, against the plain loop of benchmarks.naive, in one run."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fleet import Fleet, read_stream, wait_until
from classifier.registry import Registry

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
STREAM = SHARED / "stream_stock_tweets_2014.jsonl.gz"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--documents", type=int, default=12_000)
    parser.add_argument("--naive-documents", type=int, default=1_500)
    asked = parser.parse_args()
    rows = list(read_stream(STREAM, asked.documents))
    with tempfile.TemporaryDirectory() as name:
        fleet = Fleet(Path(name), {"BAROGRAPH_CLASSIFY__BATCH_SIZE": "512"})
        try:
            fleet.produce(rows)
            rival = naive(fleet, asked.naive_documents)
            ours = whole(fleet, asked.documents)
        finally:
            fleet.close()
    print("Kafka to committed windows, the same texts and weights, two cores:")
    print(f"  kafka-python + pipeline(batch_size=32) + ZADD: {rival:8.0f} documents/s")
    print(f"  barograph (one classify, one watch process):   {ours:8.0f} documents/s")
    print(f"  ratio: {ours / rival:.1f}")


def naive(fleet: Fleet, documents: int) -> float:
    command = [sys.executable, "-m", "benchmarks.naive", fleet.kafka.bootstrap, fleet.store.url]
    command += ["news", str(documents), str(Registry().champion())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return float(result["documents"] / result["seconds"])


def whole(fleet: Fleet, documents: int) -> float:
    """Documents/s from the first batch that is classified to the last window committed."""
    fleet.add("watch")
    fleet.add("classify")
    classify = fleet.members[-1]
    metric = "barograph_documents_total"
    wait_until(lambda: fleet.metric(classify, metric) > 0, 60, "first batch")
    head, started = fleet.metric(classify, metric), time.perf_counter()
    wait_until(lambda: fleet.metric(classify, metric) >= documents, 600, "last batch")
    wait_until(fleet.is_watched, 60, "last window")
    return (documents - head) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
