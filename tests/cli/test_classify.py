"""``barograph classify``: the contract of its lines."""

import gzip
import json
from pathlib import Path

from classifier.labels import SENTIMENTS, TOPICS
from tests.cli.conftest import Barograph

GOOD = [
    {"id": 7, "text": "Shares plunge after a profit warning"},
    {"id": "b", "text": "Central bank raises rates by half a point"},
    {"id": "c", "text": "Oil climbs as producers cut output", "body": "A longer text."},
]


def jsonl(*documents: object) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def test_each_line_is_answered_in_order_with_named_probabilities(barograph: Barograph) -> None:
    done = barograph("classify", "-", input=jsonl(*GOOD))
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["id"] for line in lines] == [7, "b", "c"]
    for line in lines:
        assert list(line) == [
            "id",
            "topic",
            "topic_sure",
            "topic_probabilities",
            "sentiment",
            "sentiment_sure",
            "sentiment_probabilities",
            "model_version",
        ]
        assert tuple(line["topic_probabilities"]) == TOPICS
        assert tuple(line["sentiment_probabilities"]) == SENTIMENTS
        for name in ("topic", "sentiment"):
            probabilities = line[f"{name}_probabilities"]
            assert abs(sum(probabilities.values()) - 1) < 1e-4
            assert line[name] == max(probabilities, key=probabilities.__getitem__)
    assert lines[0]["sentiment"] == "negative"


def test_a_bad_line_is_reported_in_its_place_and_does_not_stop_the_rest(
    barograph: Barograph,
) -> None:
    text = jsonl(GOOD[0]) + "no json\n\n" + jsonl({"id": 9}, GOOD[1])
    done = barograph("classify", "-", input=text)
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("line") for line in lines] == [None, 2, 4, None]
    assert [line["id"] for line in lines] == [7, None, 9, "b"]
    assert lines[1]["error"].startswith("not JSON")
    assert "line 2: not JSON" in done.stderr
    assert "2 of 4 lines were refused" in done.stderr
    assert barograph("classify", "-", "--strict", input=text).exit_code == 1


def test_a_compressed_file_is_read_and_the_output_file_written(
    barograph: Barograph, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(jsonl(*GOOD).encode()))
    done = barograph("classify", "in.jsonl.gz", "--out", "deep/out.jsonl")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    direct = barograph("classify", "-", input=jsonl(*GOOD)).stdout
    assert (tmp_path / "deep" / "out.jsonl").read_text() == direct


def test_answers_do_not_depend_on_the_batch(barograph: Barograph) -> None:
    text = jsonl(*({"id": i, "text": f"{GOOD[i % 3]['text']} no. {i}"} for i in range(40)))
    answers = {
        barograph("classify", "-", "--batch-size", size, input=text).stdout
        for size in ("1", "7", "40")
    }
    assert len(answers) == 1


def test_times_do_not_matter_here_not_even_wrong_ones(barograph: Barograph) -> None:
    for time in ("yesterday", "2999-01-01T00:00:00Z", None, "1960-01-01"):
        done = barograph("classify", "-", input=jsonl({**GOOD[0], "published_at": time}))
        assert json.loads(done.stdout)["sentiment"] == "negative", time


def test_a_missing_file_is_told_without_a_traceback(barograph: Barograph) -> None:
    done = barograph("classify", "nowhere.jsonl")
    assert done.exit_code == 1
    assert "cannot open nowhere.jsonl" in done.stderr
    assert "Traceback" not in done.stderr
