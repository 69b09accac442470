"""HTML in texts: tags out, what they say in.

Every scan here is linear in the length of the text, whatever a sender writes: no pattern can
read past the next "<" twice, and the closing tag of a hidden element is looked for once.
"""

import html
import re
from collections.abc import Callable
from html.entities import html5

# Their content is never meant to be read.
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*+>", re.I)

_COMMENT = re.compile(r"<!--")
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")

# A tag of any name where its shape leaves no doubt (it ends at once, or has an attribute with
# "="), and a known one of two letters or more with anything in it. "a<b and c>d" and "<3" are
# no tags. A ">" inside quotes belongs to the value; unbalanced quotes end at the next ">".
_NAME = r"[A-Za-z][A-Za-z0-9:._-]*+"
_INSIDE = r"""(?:(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>|[^<>]*+>)"""
_KNOWN = (
    "abbr|address|article|aside|audio|big|blockquote|body|br|button|caption|center|cite|code|col|"
    "dd|del|details|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|frame|h[1-6]|"
    "head|header|hr|html|iframe|img|input|ins|kbd|label|legend|li|link|main|mark|meta|nav|noscript|"
    "object|ol|option|param|picture|pre|samp|script|section|select|small|source|span|strike|strong|"
    "style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|tt|ul|"
    "var|video|wbr"
)
_TAG = re.compile(
    rf"<(?:/?({_NAME})\s*+/?>"
    rf"|/?({_NAME})[\s/](?=[^<>=]*+=){_INSIDE}"
    rf"|/?({_KNOWN})\b{_INSIDE}"
    r"|[!?][A-Za-z/\[-][^<>]*+>)",
    re.I,
)

# The rest of a tag whose end was cut off.
_CUT_TAG = re.compile(
    r"""<[A-Za-z][A-Za-z0-9]*+(?:[\s/]++[A-Za-z-]++\s*+=\s*+"""
    r"""(?:"[^"<>]*+"?+|'[^'<>]*+'?+|[^\s<>"']++))++\s*+/?+>?+"""
)

_INLINE = re.compile(
    "a|abbr|b|bd[io]|big|cite|code|del|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|"
    "su[bp]|tt|u|var|wbr",
    re.I,
)

# Only with its semicolon: "?a=1&copy=2" is an address, "AT&T" a company.
_ENTITY = re.compile(r"&(?:#[0-9]{1,12}+|#[xX][0-9a-fA-F]{1,10}+|[A-Za-z][A-Za-z0-9]{1,31}+);")


def decode_entities(text: str) -> str:
    """Replace character references by their characters, one level deep."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def strip_tags(text: str) -> str:
    """Remove tags, comments, and the content of scripts, styles and the like.

    A block tag leaves a space, an inline one ("<b>") nothing, as on a rendered page.
    """
    if "<" not in text:
        return text
    text = _CDATA.sub(" ", text)
    text = _cut_out(text, _COMMENT, lambda _: "-->", keep_unclosed=True)
    text = _cut_out(text, _HIDDEN, lambda opening: f"</{opening[1]}", keep_unclosed=False)
    text = _TAG.sub(_gap, text)
    return _CUT_TAG.sub(" ", text)


def _character(entity: re.Match[str]) -> str:
    reference = entity[0]
    if reference[1] == "#":
        return html.unescape(reference)
    return html5.get(reference[1:], reference)


def _gap(tag: re.Match[str]) -> str:
    name = tag[1] or tag[2] or tag[3]
    return "" if name and _INLINE.fullmatch(name) else " "


def _cut_out(
    text: str,
    opening: re.Pattern[str],
    closing: Callable[[re.Match[str]], str],
    *,
    keep_unclosed: bool,
) -> str:
    """Drop everything from each opening to its closing.

    Where a closing is missing, as in a text that was cut off: keep what follows, or drop it.
    """
    found = opening.search(text)
    if found is None:
        return text
    lower = text.lower() if text.isascii() else _ascii_lower(text)
    kept: list[str] = []
    position = 0
    while found is not None:
        kept.append(text[position : found.start()])
        end_mark = closing(found).lower()
        end = lower.find(end_mark, found.end())
        if end < 0:
            position = found.end() if keep_unclosed else len(text)
            break
        position = end + len(end_mark)
        if end_mark.startswith("</"):
            position = _after_tag(text, position)
        found = opening.search(text, position)
    kept.append(text[position:])
    return "".join(kept)


def _after_tag(text: str, position: int) -> int:
    end = text.find(">", position)
    return len(text) if end < 0 else end + 1


def _ascii_lower(text: str) -> str:
    """Lower-case the ASCII letters only: other letters may change the length of a text."""
    return text.translate({code: code + 32 for code in range(ord("A"), ord("Z") + 1)})
