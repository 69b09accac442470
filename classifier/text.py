"""What the model reads of a document, and what makes two texts the same text."""

import hashlib
import html
import re

_URL = re.compile(r"(?:https?://|www\.)\S*", re.IGNORECASE)
_RETWEET = re.compile(r"^\s*RT\s+@\w{1,30}:\s*")
_SPACE = re.compile(r"\s+")


def model_text(title: str, body: str = "") -> str:
    """The text given to the tokenizer: entities decoded, addresses removed, white space folded.

    Addresses say nothing of topic or tone, and every short link is a different one: with them
    no two copies of a story would be the same text.
    """
    text = f"{title}\n{body}" if body else title
    text = _URL.sub(" ", html.unescape(text))
    return _SPACE.sub(" ", text).strip()


def story_text(title: str, body: str = "") -> str:
    """What copies of one story have in common to the letter."""
    return _RETWEET.sub("", model_text(title, body)).casefold()


def story_key(title: str, body: str = "") -> str:
    """Sixteen hex digits that are equal for copies of one story.

    Case, addresses, white space and a leading "RT @name:" do not count.
    """
    return hashlib.blake2b(story_text(title, body).encode(), digest_size=8).hexdigest()
