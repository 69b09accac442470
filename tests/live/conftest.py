"""A stream of real messages, cut short, as a file and as rows."""

import gzip
from pathlib import Path

import pytest

from benchmarks.fleet import read_stream

SERIES_BY = ("topic", "symbol", "all")
ROWS = 3_600  # to the end of January 2014, with alerts among them


@pytest.fixture(scope="session")
def stream(shared_data: Path, tmp_path_factory) -> Path:
    """The first weeks of the tweets."""
    target = tmp_path_factory.mktemp("stream") / "tweets.jsonl.gz"
    source = shared_data / "stream_stock_tweets_2014.jsonl.gz"
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt") as cut:
        for _, line in zip(range(ROWS), lines, strict=False):
            cut.write(line)
    return target


@pytest.fixture(scope="session")
def rows(stream: Path) -> list[dict[str, object]]:
    return list(read_stream(stream))


@pytest.fixture(scope="session")
def expected(stream: Path, tmp_path_factory) -> list[bytes]:
    """The alert lines of a replay of the file in one process."""
    from benchmarks.fleet import replayed

    return replayed(stream, 256, SERIES_BY, tmp_path_factory.mktemp("replayed"))
