"""Make a text harmless: what a reader would see, and nothing that only a machine would.

The result is the same when cleaned again, and the cost is linear in the length of the text.
"""

import re
import sys
import unicodedata

from ingest.lookalikes import unmask
from ingest.markup import decode_entities, strip_tags

# Nobody writes more than this many marks on one letter; floods of them ("zalgo") also make
# the interpreter's normalisation quadratic, so they go before it.
_MARKS_KEPT = 3

# What is looked at of an overlong text, in limits: markup may take most of it.
_LOOKED_AT = 8

# Honest markup is settled in a pass or two (entities inside entities, tags inside those).
_HONEST_PASSES = 5
_MOST_PASSES = 16

# Controls (white space is folded later), soft hyphen, zero-width and bidirectional characters,
# fillers, variation selectors, surrogates, private use, tags, noncharacters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]+"
)
_BLANK = re.compile("[\u2800\ufffd]+")
_MARK_UP = re.compile("[<>&]+")


def _marks() -> re.Pattern[str]:
    """Runs of more combining marks than are kept, as this interpreter knows them."""
    # These decompose into marks without being marks themselves; enclosing marks have class 0.
    codes = {0x0F73, 0x0F75, 0x0F81, 0xFF9E, 0xFF9F, *range(0x20D0, 0x2100)}
    codes.update(c for c in range(0x300, 0x20000) if unicodedata.combining(chr(c)))
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    letters = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return re.compile(f"([{letters}]{{{_MARKS_KEPT}}})[{letters}]+")


_FLOOD = _marks()


def clean_text(text: str, limit: int = sys.maxsize) -> str:
    """Return ``text`` as a reader would see it, on one line, in at most ``limit`` characters.

    Tags and invisible characters are gone, entities decoded, compatibility characters
    (full-width, mathematical) and disguised letters plain, white space folded. An overlong
    text ends at a word's end where its last word is not overlong itself.
    """
    if text.isascii() and text.isprintable() and "<" not in text and "&" not in text:
        return _shorten(" ".join(text.split()), limit)
    most = limit * _LOOKED_AT
    text = text[:most]
    for number in range(_MOST_PASSES):
        cleaned = _clean_once(text, most, honest=number < _HONEST_PASSES)
        if cleaned == text:
            cleaned = _shorten(text, limit)
            if cleaned == text:
                break
        text = cleaned
    return text


def _clean_once(text: str, most: int, *, honest: bool) -> str:
    text = strip_tags(decode_entities(text))
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        text = _FLOOD.sub(r"\1", text)
        text = text.replace("\u00b4", "'")  # its normal form is a space with an accent
        text = unicodedata.normalize("NFKC", text)[:most]  # one character may become 18
        text = unmask(_BLANK.sub(" ", text))
    if not honest:
        # Markup that is still unfolding is a trick: it stays as text without its signs.
        text = _MARK_UP.sub(" ", text)
    return " ".join(text.split())


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    space = text.rfind(" ", limit // 2, limit + 1)
    return text[: space if space > 0 else limit].rstrip()
