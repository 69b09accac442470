"""``barograph replay``: what it writes, and that only the documents decide it."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Barograph
from tests.wiring.stream import lines

SERIES = ("--series-by", "symbol", "--series-by", "all")


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    file = tmp_path / "stream.jsonl"
    file.write_text(lines())
    return file


def test_an_alert_fires_with_its_evidence_and_is_resolved(
    barograph: Barograph, stream: Path, tmp_path: Path
) -> None:
    done = barograph("replay", str(stream), *SERIES, "--alerts", "alerts.jsonl")
    assert done.exit_code == 0, done.stderr
    written = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    acme = [line for line in written if line["series"] == "symbol:ACME"]
    assert acme[0]["type"] == "firing"
    assert acme[-1]["type"] == "resolved"
    keys = (
        "alert_id type series event_time started_at severity observed_negative "
        "expected_negative observed_total p_value evidence"
    )
    for line in acme:
        assert set(keys.split()) <= line.keys()
        assert set(line["evidence"]) <= {f"d{i}" for i in range(120, 132)}
        assert len(line["evidence"]) >= 5
    assert acme[0]["started_at"] == "2026-01-07T12:00:00Z"
    assert "symbol:ACME" in done.stderr.replace("\n", "")


def test_the_digest_is_the_same_at_any_batch_size_from_file_gzip_and_input(
    barograph: Barograph, stream: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "stream.jsonl.gz"
    packed.write_bytes(gzip.compress(stream.read_bytes()))
    runs = [
        barograph("replay", str(stream), *SERIES, "--json", "--batch-size", size)
        for size in ("1", "7", "256")
    ]
    runs.append(barograph("replay", str(packed), *SERIES, "--json"))
    runs.append(barograph("replay", "-", *SERIES, "--json", input=stream.read_bytes()))
    summaries = [json.loads(run.stdout) for run in runs]
    assert len({summary["digest"] for summary in summaries}) == 1
    assert summaries[0]["transitions"] >= 4


def test_the_digest_is_that_of_the_sorted_alert_lines(
    barograph: Barograph, stream: Path, tmp_path: Path
) -> None:
    done = barograph("replay", str(stream), *SERIES, "--json", "--alerts", "a.jsonl")
    content = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    digest = hashlib.sha256(b"".join(sorted(content))).hexdigest()
    assert json.loads(done.stdout)["digest"] == digest


def test_bad_and_repeated_lines_are_counted_and_change_nothing(
    barograph: Barograph, stream: Path, tmp_path: Path
) -> None:
    clean = json.loads(barograph("replay", str(stream), *SERIES, "--json").stdout)
    text = stream.read_text().splitlines(keepends=True)
    text[5:5] = ["not json\n", '{"id": "x"}\n', text[4]]
    dirty = barograph(
        "replay", "-", *SERIES, "--json", "--dead-letters", "dead.jsonl", input="".join(text)
    )
    found = json.loads(dirty.stdout)
    assert found["digest"] == clean["digest"]
    assert found["documents"] == clean["documents"] + 1
    assert found["duplicates"] == 2  # in both of its series
    assert found["rejected"] == 2
    assert found["rejected_by_reason"] == {"not JSON": 1, "no event time": 1}
    assert "refused file 6: not JSON" in dirty.stderr
    assert len((tmp_path / "dead.jsonl").read_text().splitlines()) == 2


def test_the_summary_object_keeps_its_keys(barograph: Barograph, stream: Path) -> None:
    found = json.loads(barograph("replay", str(stream), *SERIES, "--json").stdout)
    keys = (
        "documents readings rejected late duplicates negative_share alerts model_version "
        "seconds documents_per_second digest"
    )
    for key in keys.split():
        assert key in found
    assert found["readings"] == 2 * found["documents"] == 280
    assert 0.03 < found["negative_share"] < 0.12
    (alert, *_) = [a for a in found["alerts"] if a["series"] == "symbol:ACME"]
    assert alert["start"] < alert["fired_at"] <= alert["peak"] < alert["end"]


def test_a_picture_is_drawn_as_png_and_html(
    barograph: Barograph, stream: Path, tmp_path: Path
) -> None:
    done = barograph("replay", str(stream), *SERIES, "--picture", "p.png")
    assert done.exit_code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    barograph("replay", str(stream), *SERIES, "--picture", "p.html")
    page = (tmp_path / "p.html").read_text()
    assert "symbol:ACME" in page
    assert "data:image/png;base64," in page


def test_a_replay_leaves_nothing_but_what_was_asked_for(
    barograph: Barograph, stream: Path, tmp_path: Path
) -> None:
    assert barograph("replay", str(stream), *SERIES).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"stream.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--speed", "fast"), "60x"),
        (("--picture", "p.gif"), ".png or .html"),
        (("--deliver",), "BAROGRAPH_SINKS"),
        (("--series-by", "topics"), "'topic', 'symbol'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_allowed(
    barograph: Barograph, stream: Path, arguments: tuple[str, ...], word: str
) -> None:
    done = barograph("replay", str(stream), *arguments)
    assert done.exit_code == 2
    assert word in done.stderr


def test_a_topic_needs_a_broker(barograph: Barograph) -> None:
    done = barograph("replay", "kafka:news")
    assert done.exit_code == 2
    assert "BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS" in done.stderr
