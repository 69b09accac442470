"""What could not be processed is kept, survives a crash, and has a limit."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.dead_letters import (
    DeadLetterFile,
    ShareLimit,
    TooManyDeadLetters,
    from_json,
    reason_class,
    to_json,
)
from ingest.record import DeadLetter, Origin, Record


def letter(raw: bytes = b"\xffbad\n", offset: int = 7) -> DeadLetter:
    record = Record(raw, Origin("news", 3), offset, 1_700_000_000_123)
    return DeadLetter(record, "not UTF-8: invalid start byte at byte 0", 1_700_000_000_456)


@given(
    st.binary(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(0, 2**62),
    st.one_of(st.none(), st.integers(0, 4_000_000_000_000)),
)
def test_a_dead_letter_comes_back_whole(
    raw: bytes, reason: str, offset: int, logged_at: int | None
) -> None:
    written = DeadLetter(
        Record(raw, Origin("a/b", 2), offset, logged_at), reason, 1_700_000_000_456
    )
    assert from_json(to_json(written)) == written
    assert b"\n" not in to_json(written)


def test_a_dead_letter_can_be_read_by_eye() -> None:
    fields = json.loads(to_json(letter(b"\xffbad \x1b[31m" + b"x" * 1000)))
    assert fields["at"] == "2023-11-14T22:13:20.456Z"
    assert fields["preview"].startswith("\ufffdbad \ufffd[31mxxx")
    assert len(fields["preview"]) == 200
    assert (fields["origin"], fields["partition"], fields["offset"]) == ("news", 3, 7)


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"raw": "*"}', b"null", b"\xff", b"[" * 99999]
)
def test_anything_else_is_no_dead_letter(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any)
        from_json(line)


def test_a_file_gives_back_what_was_appended(tmp_path: Path) -> None:
    file = DeadLetterFile(tmp_path / "new" / "dead.jsonl")
    assert list(file.read()) == []
    file.append([])
    assert not file.path.exists()
    file.append([letter(offset=1), letter(offset=2)])
    file.append([letter(offset=3)])
    assert [found.record.offset for found in file.read()] == [1, 2, 3]
    assert file.path.stat().st_mode & 0o077 == 0


def test_a_crash_in_the_middle_of_a_line_costs_that_line_only(tmp_path: Path) -> None:
    file = DeadLetterFile(tmp_path / "dead.jsonl")
    file.append([letter(offset=1), letter(offset=2)])
    whole = file.path.read_bytes()
    for cut in (1, 2, 10, 100):
        file.path.write_bytes(whole[:-cut])
        damaged: list[str] = []
        found = [each.record.offset for each in file.read(damaged.append)]
        # Without its line end only, a letter is still whole.
        assert (found, len(damaged)) == (([1, 2], 0) if cut == 1 else ([1], 1))
        file.append([letter(offset=3)])
        again = [each.record.offset for each in file.read(damaged.append)]
        assert again == [*found, 3]
    assert "line 2" in damaged[-1]


def test_a_reason_has_a_class() -> None:
    assert reason_class("not UTF-8: invalid start byte") == "not UTF-8"
    assert reason_class("nested too deeply") == "nested too deeply"


def test_a_few_dead_letters_are_borne() -> None:
    limit = ShareLimit(0.5, window=100, minimum=10)
    limit.count(0, 9)
    limit.count(100, 0)
    for _ in range(100):
        limit.count(5, 5)


def test_too_large_a_share_says_what_share_why_and_what_to_do() -> None:
    limit = ShareLimit(0.2, window=100, minimum=10)
    limit.count(1000, 0)
    limit.count(75, 5, ["no text: a"] * 5)
    with pytest.raises(TooManyDeadLetters) as caught:
        limit.count(0, 20, ["not JSON: a", "not JSON: b"] * 10)
    message = str(caught.value)
    for part in (
        "25 of the last 100 records",
        "25%",
        "20%",
        "'not JSON' (20 times)",
        "dead-letters",
    ):
        assert part in message


def test_a_large_batch_is_judged_as_a_whole() -> None:
    ShareLimit(0.2, window=100, minimum=10).count(9_000, 1_000)
    with pytest.raises(TooManyDeadLetters):
        ShareLimit(0.2, window=100, minimum=10).count(7_000, 3_000)


def test_what_is_long_past_does_not_count() -> None:
    limit = ShareLimit(0.5, window=10, minimum=1)
    limit.count(5, 5)
    limit.count(10, 0)
    limit.count(5, 5)
    with pytest.raises(TooManyDeadLetters):
        limit.count(0, 10)


def test_a_limit_is_a_share() -> None:
    with pytest.raises(ValueError, match="share from 0 to 1"):
        ShareLimit(5)
