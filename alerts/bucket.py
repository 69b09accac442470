"""One closed bucket of a series: its counts, its stories, its worst documents."""

import hashlib
from collections.abc import Container, Iterable

import msgspec

from alerts.transition import Evidence
from classifier.labels import NEGATIVE, SENTIMENTS
from classifier.reading import Reading

MOST_WORST = 3
MOST_STORIES = 2_000
STORY_BYTES = 8

Entry = tuple[int, str, str, bytes, bool, float, str, str, str]
"""What an open bucket keeps of a reading: event time, document id, source, story, whether it is
negative and how probably, model version, and of a negative one its title and address. A plain
tuple of values that all have an order, because one is made, sorted and stored for each reading.
"""


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """Counts of distinct stories. ``copies`` repeated a story counted here or shortly before.

    ``stories`` are the keys of those counted here, end to end, ``STORY_BYTES`` each and at most
    ``MOST_STORIES``; ``worst`` are the most negative documents, worst first.
    """

    start: int
    total: int
    negative: int
    copies: int
    stories: bytes
    worst: tuple[Evidence, ...]
    models: tuple[str, ...]

    def story_keys(self) -> list[bytes]:
        """The keys of the stories counted here."""
        ends = range(STORY_BYTES, len(self.stories) + 1, STORY_BYTES)
        return [self.stories[end - STORY_BYTES : end] for end in ends]


def entry_of(reading: Reading) -> Entry:
    """What an open bucket keeps of ``reading``."""
    negative = reading.sentiment == SENTIMENTS[NEGATIVE]
    return (
        reading.event_time,
        reading.document_id,
        reading.source,
        _key(reading.story),
        negative,
        reading.sentiment_probabilities[NEGATIVE],
        reading.model_version,
        reading.title if negative else "",
        reading.url or "" if negative else "",
    )


def close(start: int, entries: Iterable[Entry], known: Container[bytes]) -> tuple[Bucket, int]:
    """Fold ``entries`` into a bucket; ``known`` are the stories counted shortly before.

    Returns the bucket and how many entries were a document once more. The order of the entries
    does not matter: they are sorted first.
    """
    ordered = sorted(entries)
    documents: set[tuple[str, str]] = set()
    stories: dict[bytes, Entry] = {}
    copies = 0
    for entry in ordered:
        identity = entry[1:3]
        if identity in documents:
            continue
        documents.add(identity)
        story = entry[3]
        if story in stories or story in known:
            copies += 1
        else:
            stories[story] = entry
    negative = [entry for entry in stories.values() if entry[4]]
    worst = sorted(negative, key=lambda entry: (-entry[5], entry))[:MOST_WORST]
    bucket = Bucket(
        start=start,
        total=len(stories),
        negative=len(negative),
        copies=copies,
        stories=b"".join(list(stories)[:MOST_STORIES]),
        worst=tuple(_evidence(entry) for entry in worst),
        models=tuple(sorted({entry[6] for entry in ordered})),
    )
    return bucket, len(ordered) - len(documents)


def _evidence(entry: Entry) -> Evidence:
    time, document_id, source, _, _, probability, _, title, url = entry
    return Evidence(document_id, time, probability, title, source, url or None)


def _key(story: str) -> bytes:
    """Half the size where it is sixteen hex digits, as ``story_key`` makes it; else a digest."""
    try:
        key = bytes.fromhex(story)
    except ValueError:
        key = b""
    if len(key) == STORY_BYTES and len(story) == 2 * STORY_BYTES:
        return key
    return hashlib.blake2b(story.encode(), digest_size=STORY_BYTES).digest()
