"""From bytes to text, mending broken encodings where only one reading is possible."""

import codecs
import re

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)

# High bytes as a Western text in Windows-1252 has them: one or two in a row, letters, quotes,
# dashes, currency and degree signs. Longer rows are another script in another encoding.
_WESTERN = re.compile(rb"(?:[\x80\x82\x84\x85\x91-\x97\x99\xa0\xa3\xa7\xab\xae\xb0\xbb\xbf-\xff])+")
_HIGH = re.compile(rb"[\x80-\xff]+")

# The beginning of a dash, quote or euro sign in UTF-8 whose last byte was cut off.
_CUT_OFF = re.compile(rb"\xe2[\x80\x82]")


def _as_cp1252(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


_CHARACTERS = [_as_cp1252(byte) for byte in range(256)]
_BYTES = {character: byte for byte, character in enumerate(_CHARACTERS)}


def _class(first: int, last: int) -> str:
    return "[" + re.escape("".join(_CHARACTERS[first : last + 1])) + "]"


_REST = _class(0x80, 0xBF)
_SEQUENCE = (
    f"(?:{_class(0xC2, 0xDF)}{_REST}|{_class(0xE0, 0xEF)}{_REST}{{2}}"
    f"|{_class(0xF0, 0xF4)}{_REST}{{3}})"
)
_SCRAMBLED = re.compile(f"{_SEQUENCE}+")

# Alone, "é…”" may be the end of a French quotation and "É»" too. These cannot be anything else.
_PLAIN_ALONE = re.compile(
    f"Â{_class(0xA0, 0xBF)}|Ã{_class(0xA0, 0xBA)}|Ã{_class(0xBC, 0xBF)}|â{_REST}{{2}}"
    f"|ð[Ÿ\x90\x9d]{_REST}{{2}}|Ã{_class(0x80, 0x9F)}(?=[a-z])"
)
_COMMON = re.compile(f"(?:[ÂÃ]{_REST}|â{_REST}{{2}})+")
_FEW = 3


def decode(raw: bytes) -> str:
    """Return the text of a message.

    Raises:
        UnicodeDecodeError: no encoding, or more than one, could be meant.

    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return raw.decode(name)
    if raw[:4].count(0) >= 2 and raw[:4] in (b"{\0\0\0", b"\0\0\0{"):
        return raw.decode("utf-32-le" if raw[0] else "utf-32-be")
    if raw[:2] in (b"{\0", b"\0{"):
        return raw.decode("utf-16-le" if raw[0] else "utf-16-be")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_western(raw):
            return raw.decode("cp1252")
        raise error from None


def unscramble(text: str) -> str:
    """Undo UTF-8 that was read as Windows-1252 ("donâ€™t"), also where it happened twice."""
    if text.isascii():
        return text
    for _ in range(2):
        mended = _SCRAMBLED.sub(_mend, text)
        if mended == text:
            break
        text = mended
    return text


def _is_western(raw: bytes) -> bool:
    if not raw.decode("utf-8", "ignore").isascii():
        return False  # both encodings in one text
    if _CUT_OFF.search(raw):
        return False
    runs = _HIGH.findall(raw)
    return all(len(run) <= 2 and _WESTERN.fullmatch(run) for run in runs)


def _mend(scrambled: re.Match[str]) -> str:
    found = scrambled[0]
    try:
        mended = bytes(map(_BYTES.__getitem__, found)).decode("utf-8")
    except UnicodeDecodeError:
        return _PLAIN_ALONE.sub(_mend_one, found)
    # Three sequences in a row that all make sense are no accident, nor two of the commonest.
    if len(mended) >= _FEW or (len(mended) > 1 and _COMMON.fullmatch(found)):
        return mended
    return _PLAIN_ALONE.sub(_mend_one, found)


def _mend_one(scrambled: re.Match[str]) -> str:
    try:
        return bytes(map(_BYTES.__getitem__, scrambled[0])).decode("utf-8")
    except UnicodeDecodeError:
        return scrambled[0]
