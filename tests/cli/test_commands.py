"""Help, versions, dead letters, check: what the command line says of itself."""

import json
from pathlib import Path

import pytest

from ingest.dead_letters import DeadLetterFile
from ingest.record import DeadLetter, Origin, Record
from tests.cli.conftest import Barograph


@pytest.mark.parametrize(
    "command", ["run", "replay", "classify", "demo", "check", "dead-letters", "version"]
)
def test_every_command_explains_itself(barograph: Barograph, command: str) -> None:
    done = barograph(command, "--help")
    assert done.exit_code == 0
    assert len(done.stdout) > 200


def test_the_top_level_help_names_every_command_and_the_exit_codes(barograph: Barograph) -> None:
    text = barograph("--help").stdout
    for word in ("demo", "replay", "classify", "run", "check", "dead-letters", "Exit codes"):
        assert word in text


def test_version_names_the_model(barograph: Barograph) -> None:
    assert "model minilm" in barograph("version").stdout


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    file = tmp_path / "barograph-data" / "dead-letters.jsonl"
    good = json.dumps({"id": "x", "text": "Shares fall", "published_at": "2026-01-05T00:00:00Z"})
    origin = Origin("http")
    DeadLetterFile(file).append(
        [
            DeadLetter(Record(good.encode(), origin, 1), "unknown kind: 'x' is not news", 1_000),
            DeadLetter(Record(b"broken", origin, 2), "not JSON: it is malformed", 2_000),
        ]
    )
    return file


def test_dead_letters_are_listed_with_reasons_and_counts(
    barograph: Barograph, refused: Path
) -> None:
    done = barograph("dead-letters", "list")
    assert "http/0:1  unknown kind" in done.stdout
    assert "1  not JSON" in done.stderr
    only = barograph("dead-letters", "list", "--reason", "json", "--json").stdout.splitlines()
    assert [json.loads(line)["preview"] for line in only] == ["broken"]


def test_dead_letters_can_be_written_out_raw(barograph: Barograph, refused: Path) -> None:
    done = barograph("dead-letters", "replay", "--out", "-")
    assert done.stdout.splitlines()[1] == "broken"


def test_dead_letters_are_taken_again_and_what_stays_bad_stays_there(
    barograph: Barograph, refused: Path
) -> None:
    done = barograph("dead-letters", "replay")
    assert done.exit_code == 0, done.stderr
    assert "1 documents taken, 1 refused again" in done.stderr
    assert [letter.record.raw for letter in DeadLetterFile(refused).read()] == [b"broken"]
    assert refused.with_name("dead-letters.jsonl.replayed").exists()


def test_check_tries_everything_and_says_what_to_do(
    barograph: Barograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAROGRAPH_HTTP__PORT", "0")
    good = barograph("check")
    assert good.exit_code == 0, good.stderr
    assert "profit warning" in " ".join(good.stderr.split())
    monkeypatch.setenv("BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("BAROGRAPH_REDIS__URL", "redis://:open-sesame@127.0.0.1:9/0")
    bad = barograph("check")
    assert bad.exit_code == 1
    assert "2 of the checks failed" in bad.stderr
    assert "open-sesame" not in bad.stderr


def test_an_unknown_role_is_refused_with_the_known_ones(barograph: Barograph) -> None:
    done = barograph("run", "--roles", "classify,wotch")
    assert done.exit_code == 2
    assert "wotch" in done.stderr
    assert "deliver" in done.stderr


def test_a_stage_alone_needs_kafka(barograph: Barograph) -> None:
    done = barograph("run", "--roles", "watch")
    assert done.exit_code == 2
    assert "BOOTSTRAP_SERVERS" in done.stderr
