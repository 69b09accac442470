"""Broken encodings are mended where only one reading is possible."""

import pytest

from ingest.encoding import decode, unscramble


@pytest.mark.parametrize(
    "name", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be"]
)
def test_a_unicode_message_is_read_in_any_form(name: str) -> None:
    text = '{"text": "招商证券 café"}'
    assert decode(text.encode(name)) == text


def test_a_western_message_in_windows_1252_is_read() -> None:
    text = '{"text": "L’Oréal’s “café” costs €5 – naïve"}'
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    "raw",
    [
        '{"text": "招商证券跌停"}'.encode("gbk"),
        '{"text": "Привет"}'.encode("cp1251"),
        '{"text": "é"}'.encode() + "é".encode("cp1252"),
        b'{"text": "\xe2\x80"}',
        b"\xff\xfe\x00",
    ],
)
def test_a_message_that_could_be_several_texts_is_refused(raw: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(raw)


def scramble(text: str) -> str:
    return "".join(
        bytes([byte]).decode("cp1252") if byte not in b"\x81\x8d\x8f\x90\x9d" else chr(byte)
        for byte in text.encode()
    )


@pytest.mark.parametrize(
    "text",
    ["don’t", "café", "“quote” – …", "£5 and €6", "a\u00a0b", "中国股市", "😀", "привет", "tà"],
)
def test_text_that_was_read_in_the_wrong_encoding_is_put_right(text: str) -> None:
    assert scramble(text) != text
    assert unscramble(scramble(text)) == text
    assert unscramble(scramble(scramble(text))) == text


@pytest.mark.parametrize(
    "text",
    ["CAFÉ» dit", "le café…”", "CAFÉ’s", "IRMû", "São Paulo", "naïve £5 — “ok”", "招商 привет 😀"],
)
def test_text_that_is_right_stays(text: str) -> None:
    assert unscramble(text) == text
