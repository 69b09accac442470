"""Who a document is, and whom its author is without saying so."""

import hashlib
import hmac

from ingest.clean import clean_text

_LONGEST_ID = 128
_LONGEST_NAME = 200


def document_id(given: str | int | None, *content: str | int | None) -> str:
    """Return the given id or, where there is none, a hash over ``content``.

    A given id is kept as it is but for white space at its ends. One that is longer than 128
    characters or cannot be printed is replaced by its hash: cut short, two different ids
    could become the same.
    """
    name = "" if given is None else str(given).strip()
    if not name:
        return _hash(*content)
    if len(name) > _LONGEST_ID or not name.isprintable():
        return _hash(name)
    return name


def pseudonym(name: str | int | None, key: bytes) -> str | None:
    """Return 16 hex digits for an author's name: the same for the same name and ``key``.

    Case, white space and invisible characters do not count. None where no name is left. The
    name cannot be found from the result without the key, not even by trying names.
    """
    if name is None:
        return None
    plain = clean_text(str(name), _LONGEST_NAME).casefold()
    if not plain:
        return None
    return hmac.digest(key, plain.encode(), "sha256").hex()[:16]


def _hash(*parts: str | int | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        # With its length before it, no part can pass for a piece of its neighbour.
        written = b"" if part is None else str(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:%s" % (len(written), written))
    return "h-" + digest.hexdigest()
