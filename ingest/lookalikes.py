"""Letters of other scripts that pass for Latin ones."""

import re

_CYRILLIC = ("АВЕЅІЈКМНОРСТХУҮԌԚԜҺаеѕіјкорсхуүһӏԁԛԝɡɑ", "ABESIJKMHOPCTXYYGQWHaesijkopcxyyhldqwga")
_GREEK = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳαικνορυϲχ", "ABEZHIKMNOPTYXCjaikvopucx")
_ARMENIAN = ("ՕՍօսոհցզ", "OUounhgq")
_CHEROKEE = ("ᎠᎡᎢᎪᎫᎬᎳᎷᎻᏀᏃᏒᏙᏚᏞᏟᏢᏦᏴ", "DRTAJEWMHGZRVSLCPKB")
_SMALL_CAPITALS = ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")

_LATIN_FOR: dict[int, str] = {}
for _letters, _latin in (_CYRILLIC, _GREEK, _ARMENIAN, _CHEROKEE, _SMALL_CAPITALS):
    _LATIN_FOR.update(zip(map(ord, _letters), _latin, strict=True))

_ANY = re.compile("[" + "".join(map(chr, _LATIN_FOR)) + "]")
_FOREIGN = re.compile(r"[\u0370-\u052f\u0531-\u058f\u13a0-\u13ff\u1c80-\u1c8f\u1f00-\u1fff]")
_LATIN = re.compile(rf"[A-Za-z\u00c0-\u024f{_SMALL_CAPITALS[0]}]")
_WORD = re.compile(r"[\w\u0300-\u036f]+")

# A shorter word of look-alikes only may well be meant: "seeking α".
_SHORTEST_DISGUISE = 3


def unmask(text: str) -> str:
    """Write disguised words in Latin letters; leave genuine Cyrillic or Greek words alone.

    A word is disguised where it has Latin letters and all its others pass for Latin ones; in a
    text with Latin letters and no letter that is unmistakably of another script, also where
    every letter of it passes for a Latin one.
    """
    if text.isascii() or not _ANY.search(text):
        return text
    alien = _FOREIGN.search(text.translate(_LATIN_FOR)) is not None
    latin_text = not alien and _LATIN.search(text) is not None

    def rewrite(word: re.Match[str]) -> str:
        original = word[0]
        if original.isascii():
            return original
        plain = original.translate(_LATIN_FOR)
        if plain == original or _FOREIGN.search(plain):
            return original
        if _LATIN.search(original) or (latin_text and len(original) >= _SHORTEST_DISGUISE):
            return plain
        return original

    return _WORD.sub(rewrite, text)
