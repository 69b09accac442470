"""Files of any make become records, and a broken one says so."""

import gzip
import io
import json
from pathlib import Path

import pytest

from ingest import files
from ingest.files import SourceError, read_records
from ingest.parse import Malformed, Policy, parse
from ingest.record import Record

LINES = b'{"text": "one"}\n\n  \r\n\xff\xfe broken\r\n{"text": "two"}'


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(record.raw) for record in read_records(path, "file")]


def test_a_line_is_a_record_and_its_number_the_offset(tmp_path: Path) -> None:
    found = list(read_records(write(tmp_path, "a.jsonl", LINES), "news"))
    assert [(record.offset, record.raw) for record in found] == [
        (1, b'{"text": "one"}'),
        (4, b"\xff\xfe broken"),
        (5, b'{"text": "two"}'),
    ]
    assert str(found[0].origin) == "news/0"
    assert found[0].logged_at is None


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a"])
def test_compression_is_told_by_content(tmp_path: Path, name: str) -> None:
    plain = list(read_records(write(tmp_path, "plain.gz", LINES), "news"))
    packed = list(read_records(write(tmp_path, name, gzip.compress(LINES)), "news"))
    assert plain == packed
    assert len(plain) == 3


def test_standard_input_is_read_like_a_file(tmp_path: Path) -> None:
    for content in (LINES, gzip.compress(LINES)):
        found = list(read_records("-", "news", stdin=io.BytesIO(content)))
        assert found == list(read_records(write(tmp_path, "a", LINES), "news"))


def test_an_empty_source_has_no_records(tmp_path: Path) -> None:
    for name, content in (("a.csv", b""), ("a.jsonl", b"\n\n"), ("a.gz", gzip.compress(b""))):
        assert list(read_records(write(tmp_path, name, content), "x")) == []


def test_a_csv_row_is_the_json_of_its_cells(tmp_path: Path) -> None:
    content = (
        '\ufeffID, Text ,body,symbols\r\n1,"He said ""no"",\r\nthen left",,AAPL;TSLA\r\n\r\n'
        "2,招商,x,\r\n"
    ).encode()
    path = write(tmp_path, "a.csv.gz", gzip.compress(content))
    assert rows(path) == [
        {"id": "1", "text": 'He said "no",\r\nthen left', "symbols": "AAPL;TSLA"},
        {"id": "2", "text": "招商", "body": "x"},
    ]
    assert [record.offset for record in read_records(path, "x")] == [2, 5]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_the_suffix_not_needed(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path, "a", f"id{mark}text\n1{mark}hello\n".encode())
    assert rows(path) == [{"id": "1", "text": "hello"}]


def test_json_lines_in_a_file_called_csv_are_json_lines(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "a.csv", b'{"text": "a, b"}\n')) == [{"text": "a, b"}]


def test_a_csv_row_in_another_encoding_keeps_its_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,text\n1,café\n".encode("cp1252"))
    (record,) = read_records(path, "x")
    assert record.raw == b'{"id": "1", "text": "caf\xe9"}'


def refused(record: Record) -> bool:
    try:
        parse(record, Policy(key=b"k"), 1_700_000_000_000)
    except Malformed:
        return True
    return False


def test_rows_that_do_not_fit_are_refused_and_the_others_read(tmp_path: Path) -> None:
    good = "1,fine,2021-01-04\n"
    endless = '2,"never closed,2021-01-04\n' + "x" * 200_000 + "\n"
    content = f"id,text,published_at\n{good}1,a,b,c,d\n{endless}{good}"
    found = list(read_records(write(tmp_path, "a.csv", content.encode()), "x"))
    assert [refused(record) for record in found] == [False, True, True, False]
    assert found[1].raw == b"1,a,b,c,d"
    assert [record.offset for record in found] == [2, 3, 4, 6]


def test_a_csv_file_without_a_text_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no column named text.*price"):
        list(read_records(write(tmp_path, "a.csv", b"id,price\n1,2\n"), "x"))


def test_an_overlong_line_is_cut_and_the_next_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 10)
    content = b"x" * 35 + b"\n" + b"y" * 10 + b"\n" + b"z" * 11 + b"\nend"
    found = list(read_records(write(tmp_path, "a", content), "x"))
    assert [(record.offset, record.raw) for record in found] == [
        (1, b"x" * 11),
        (2, b"y" * 10),
        (3, b"z" * 11),
        (4, b"end"),
    ]


def test_a_cut_off_archive_yields_what_it_has_and_then_says_so(tmp_path: Path) -> None:
    lines = b"".join(b'{"text": "%d"}\n' % number for number in range(50_000))
    path = write(tmp_path, "a.gz", gzip.compress(lines)[:-2000])
    found: list[Record] = []
    with pytest.raises(SourceError, match=r"cut off after line [0-9]{5}") as caught:
        found.extend(read_records(path, "x"))
    assert len(found) > 10_000
    assert f"line {len(found)}:" in str(caught.value)
    assert found[-1].raw == b'{"text": "%d"}' % (len(found) - 1)


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(LINES * 1000))
    packed[len(packed) // 2 :] = b"\xff" * 50
    with pytest.raises(SourceError, match="damaged"):
        list(read_records(write(tmp_path, "a.gz", bytes(packed)), "x"))


def test_a_missing_source_is_reported_at_once(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(SourceError, match="cannot open"):
            read_records(path, "x")


def test_a_wide_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="convert it to UTF-8"):
        list(read_records(write(tmp_path, "a.csv", "id,text\n".encode("utf-16")), "x"))
