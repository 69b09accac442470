"""``barograph evaluate``: figures, leaks, and what is refused."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import Result

from classifier.engine import Prediction
from classifier.labels import SENTIMENTS, TOPICS
from tests.cli.conftest import Barograph
from trainer.clusters import TRAINED_ON, save_trained_on, signatures

SEEN = "Shares of the regional lender plunge after a profit warning for the whole year"
ROWS = [
    {"text": f"{SEEN}.", "topic": "Stock Movement", "sentiment": "negative"},
    {"text": "negative: oil producers fear a glut", "topic": "Energy | Oil"},
    {"text": "positive: chip maker raises its outlook", "sentiment": "positive"},
    {"title": "neutral: the board meets on Monday", "body": "At noon.", "sentiment": "positive"},
]


class Stub:
    """Reads the sentiment off the text's first word; every topic is Stock Movement."""

    model_version = "a-version"

    def classify(self, texts):
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> Prediction:
        topic = tuple(0.81 if name == "Stock Movement" else 0.01 for name in TOPICS)
        word = text.split(":", maxsplit=1)[0] if ":" in text else "negative"
        return Prediction(topic, tuple(0.8 if name == word else 0.1 for name in SENTIMENTS))


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version folder whose engine is a stub, trained on one headline."""
    monkeypatch.setattr("classifier.registry.open_engine", lambda *_: Stub())
    folder = tmp_path / "models" / "a-version"
    folder.mkdir(parents=True)
    save_trained_on(folder, signatures([SEEN]))
    return folder


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def figures(done: Result) -> dict:
    return json.loads(done.stdout)


def test_leaked_rows_are_left_out_and_reported_with_their_lines(
    barograph: Barograph, version: Path
) -> None:
    done = barograph("evaluate", "-", "--json", "--model", str(version), input=jsonl(*ROWS))
    assert done.exit_code == 0, done.stderr
    found = figures(done)
    assert found["model_version"] == "a-version"
    assert (found["lines"], found["rows"], found["refused"]) == (4, 4, 0)
    assert found["leaks_checked"] is True
    assert (found["leaked"], found["leaked_lines"]) == (1, [1])
    assert found["scored"] == "leak_free"
    sentiment = found["heads"]["sentiment"]
    assert (sentiment["leak_free"]["rows"], sentiment["all_rows"]["rows"]) == (2, 3)
    assert sentiment["leak_free"]["accuracy"]["value"] == 0.5
    assert sentiment["all_rows"]["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    topic = found["heads"]["topic"]
    assert topic["leak_free"]["accuracy"]["value"] == 0
    assert topic["all_rows"]["accuracy"]["value"] == 0.5


def test_a_person_reads_the_same_in_eighty_columns(barograph: Barograph, version: Path) -> None:
    done = barograph("evaluate", "-", "--model", str(version), input=jsonl(*ROWS))
    assert done.exit_code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    assert "1 of 4 rows are near-copies" in words
    assert "left out: line 1" in words
    assert "topic: 1 row " in words
    assert "sentiment: 2 rows" in words
    assert "accuracy 0.500" in words
    assert "accuracy, all 3 rows 0.667" in words
    assert "negative recall" not in words, "no negative row is left"
    assert "confidence 0.8 or more" in words


def test_leaked_rows_count_where_that_is_asked_for(barograph: Barograph, version: Path) -> None:
    done = barograph("evaluate", "-", "--keep-leaked", "--model", str(version), input=jsonl(*ROWS))
    assert done.exit_code == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "counted (--keep-leaked): line 1" in words
    assert "sentiment: 3 rows" in words
    assert "accuracy, 2 rows not trained on 0.500" in words


def test_a_version_without_signatures_says_that_leaks_cannot_be_checked(
    barograph: Barograph, version: Path
) -> None:
    (version / TRAINED_ON).unlink()
    done = barograph("evaluate", "-", "--model", str(version), input=jsonl(*ROWS))
    assert done.exit_code == 0, done.stderr
    assert "Leaks cannot be checked" in done.stdout
    done = barograph("evaluate", "-", "--json", "--model", str(version), input=jsonl(*ROWS))
    found = figures(done)
    assert (found["leaks_checked"], found["leaked"], found["scored"]) == (False, None, "all_rows")
    assert found["heads"]["topic"]["leak_free"] is None
    assert found["heads"]["topic"]["all_rows"]["rows"] == 2


def test_what_is_wrong_with_a_line_is_told_and_the_others_are_scored(
    barograph: Barograph, version: Path
) -> None:
    text = (
        jsonl(ROWS[1])
        + "no json\n\n"
        + jsonl(
            {"text": "positive: one label of two", "sentiment": "positive", "topic": "Crypto"},
            {"text": "neither label here"},
            {"sentiment": "positive"},
            {"text": "neutral: a list", "sentiment": ["neutral"]},
            {"text": "NEUTRAL: letters do not matter", "sentiment": " Neutral ", "topic": None},
        )
    )
    done = barograph("evaluate", "-", "--json", "--model", str(version), input=text)
    assert done.exit_code == 0, done.stderr
    found = figures(done)
    assert [found[key] for key in ("lines", "rows", "refused", "unlabelled")] == [7, 3, 4, 1]
    assert found["heads"]["sentiment"]["all_rows"]["rows"] == 2
    for message in (
        "line 2: not JSON",
        'line 4: unknown topic: "Crypto"',
        "line 6: no text",
        'line 7: unknown sentiment: ["neutral"]',
        "4 of 7 lines were refused",
        "1 of 7 lines bear no topic and no sentiment",
    ):
        assert message in done.stderr


def test_only_the_first_problems_are_told_one_by_one(barograph: Barograph, version: Path) -> None:
    text = "no json\n" * 30 + jsonl(ROWS[1])
    done = barograph("evaluate", "-", "--model", str(version), input=text)
    assert done.exit_code == 0
    assert done.stderr.count(": not JSON") == 20
    assert "further problems are only counted" in done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing to score"),
        (jsonl({"text": "no label"}), "nothing to score"),
        (jsonl({"text": "x", "topic": "Crypto"}), "nothing to score"),
        (jsonl(ROWS[0]), "--keep-leaked"),
    ],
)
def test_nothing_to_score_is_a_failure(
    barograph: Barograph, version: Path, text: str, why: str
) -> None:
    done = barograph("evaluate", "-", "--model", str(version), input=text)
    assert done.exit_code == 1
    assert why in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


def test_a_report_is_written_and_named(barograph: Barograph, version: Path, tmp_path: Path) -> None:
    (tmp_path / "set.jsonl.gz").write_bytes(gzip.compress(jsonl(*ROWS).encode()))
    done = barograph("evaluate", "set.jsonl.gz", "--report", "out", "--model", str(version))
    assert done.exit_code == 0, done.stderr
    assert "report: out/report.html" in done.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "set.jsonl.gz" in page
    assert "left out: line 1" in page
    assert "Sentiment, all 3 rows" in page


def test_what_cannot_be_opened_is_told_without_a_traceback(
    barograph: Barograph, version: Path, tmp_path: Path
) -> None:
    done = barograph("evaluate", "nowhere.jsonl", "--model", str(version))
    assert (done.exit_code, "cannot open nowhere.jsonl" in done.stderr) == (1, True)
    (tmp_path / "a-file").touch()
    arguments = ("evaluate", "-", "--model", str(version), "--report", "a-file")
    done = barograph(*arguments, input=jsonl(*ROWS))
    assert (done.exit_code, "a-file" in done.stderr) == (1, True)
    (version / TRAINED_ON).write_bytes(b"damaged")
    done = barograph("evaluate", "-", "--model", str(version), input=jsonl(*ROWS))
    assert (done.exit_code, "cannot be read" in done.stderr) == (1, True)
    assert "Traceback" not in done.output


def test_a_folder_that_is_no_version_is_told(barograph: Barograph, tmp_path: Path) -> None:
    done = barograph("evaluate", "-", "--model", str(tmp_path), input=jsonl(*ROWS))
    assert (done.exit_code, "not a complete model version" in done.stderr) == (1, True)


def test_the_champion_is_scored_where_no_version_is_named(barograph: Barograph) -> None:
    rows = [
        {"text": "Shares plunge after a profit warning", "sentiment": "negative"},
        {"text": "Company lifts its dividend after record profit", "sentiment": "positive"},
    ]
    done = barograph("evaluate", "-", "--json", "--keep-leaked", input=jsonl(*rows))
    assert done.exit_code == 0, done.stderr
    assert figures(done)["heads"]["sentiment"]["all_rows"]["accuracy"]["value"] == 1
