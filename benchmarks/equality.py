"""``make equality``: whole streams, live on Kafka and replayed at three batch sizes, one digest."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fleet import LOW_LINE, Fleet, digest, read_stream, replayed, wait_until

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
STREAMS = ("stream_crypto_news_2021q4_2022q1", "stream_stock_tweets_2014")
SERIES_BY = ("topic", "symbol", "subject", "source", "all")
BATCHES = (256, 7, 1)


def live(stream: Path, folder: Path, expected: int) -> list[bytes]:
    """Four partitions, two classify and two watch processes."""
    settings = {
        "BAROGRAPH_SERIES_BY": ",".join(SERIES_BY),
        "BAROGRAPH_WATCH__SETTLE_SECONDS": "5",
        **LOW_LINE,
    }
    fleet = Fleet(folder, settings)
    try:
        fleet.produce(read_stream(stream))
        for role, count in (("classify", 2), ("watch", 2), ("deliver", 1)):
            fleet.add(role, count)
        wait_until(fleet.is_watched, 900, "end of the stream")
        wait_until(lambda: len(fleet.alert_lines()) >= expected, 60, f"{expected} alert lines")
        time.sleep(8)  # anything more than expected would come now
        return fleet.alert_lines()
    finally:
        fleet.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equality", description=__doc__)
    parser.add_argument("streams", nargs="*", default=STREAMS)
    wrong = 0
    for name in parser.parse_args().streams:
        stream = SHARED / f"{name}.jsonl.gz"
        digests = set()
        with tempfile.TemporaryDirectory() as folder:
            for batch in BATCHES:
                lines = replayed(stream, batch, SERIES_BY, Path(folder), LOW_LINE)
                digests.add(digest(lines))
                print(f"{name}: replay, batches of {batch:3}: {len(lines)} lines, {digest(lines)}")
                sys.stdout.flush()
            lines = live(stream, Path(folder) / "fleet", len(lines))
            digests.add(digest(lines))
            print(f"{name}: live, 2 classify + 2 watch: {len(lines)} lines, {digest(lines)}")
        wrong += len(digests) > 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
