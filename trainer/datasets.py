"""Labelled rows: read, checked, and turned into targets for the two heads."""

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classifier.labels import SENTIMENTS, TOPICS
from classifier.text import model_text
from ingest.clean import clean_text

_LONGEST_TEXT = 20_000

Row = dict[str, object]
Target = tuple[float, ...]


@dataclass(frozen=True)
class Example:
    """One labelled text.

    A target is a distribution over its head's labels, or None if unknown; its weight is less
    than 1 where it is not a person's label but a teacher's opinion. ``convention`` is that of
    the sentiment, ``manner`` that of the texts that this one is like (places in
    ``classifier.labels.CONVENTIONS``).
    """

    text: str
    topic: Target | None
    sentiment: Target | None
    topic_weight: float = 1.0
    sentiment_weight: float = 1.0
    convention: int = 0
    manner: int = 0
    manner_weight: float = 1.0


@dataclass(frozen=True)
class Opinion:
    """A teacher's distribution over the topics, and over the sentiments by convention."""

    topic: Target
    sentiment: tuple[Target, ...]


def one_hot(label: str, labels: tuple[str, ...]) -> Target:
    """A distribution with all its weight on ``label``. Raises ValueError if it is unknown."""
    position = labels.index(label)
    return tuple(1.0 if i == position else 0.0 for i in range(len(labels)))


def sentiment_target(row: Row) -> Target | None:
    """The row's sentiment; where its entities disagree, the share of each sentiment among them."""
    if (label := row.get("sentiment")) is not None:
        return one_hot(str(label), SENTIMENTS)
    entities = row.get("entities")
    if not isinstance(entities, dict) or not entities:
        return None
    marks = [one_hot(str(mark), SENTIMENTS) for mark in entities.values()]
    return tuple(sum(column) / len(marks) for column in zip(*marks, strict=True))


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSON Lines file, gzip-compressed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def served_text(row: Mapping[str, object]) -> str:
    """The row's text as the classify stage would give it to the engine."""
    return model_text(clean_text(str(row["text"]), _LONGEST_TEXT))


def examples(rows: Iterable[Row], convention: int = 0) -> Iterator[Example]:
    """Rows with at least one label, as examples of the convention and its manner."""
    for row in rows:
        topic = row.get("topic")
        target = None if topic is None else one_hot(str(topic), TOPICS)
        sentiment = sentiment_target(row)
        if target is None and sentiment is None:
            continue
        text = served_text(row)
        yield Example(text, target, sentiment, convention=convention, manner=convention)


def with_opinions(
    data: Sequence[Example], opinions: Sequence[Opinion], label_share: float, weight: float
) -> list[Example]:
    """``data`` with each target ``label_share`` parts label and the rest opinion.

    Where a label is missing the target is the opinion alone, at ``weight``: the sets label one
    head each, and so every row teaches both (pseudo-labels across tasks).
    """
    return [
        replace(
            example,
            topic=_blend(example.topic, opinion.topic, label_share),
            sentiment=_blend(example.sentiment, opinion.sentiment[example.convention], label_share),
            topic_weight=example.topic_weight if example.topic else weight,
            sentiment_weight=example.sentiment_weight if example.sentiment else weight,
        )
        for example, opinion in zip(data, opinions, strict=True)
    ]


def _blend(label: Target | None, opinion: Target, label_share: float) -> Target:
    if label is None:
        return opinion
    pairs = zip(label, opinion, strict=True)
    return tuple(label_share * ours + (1 - label_share) * theirs for ours, theirs in pairs)


_CASHTAG = re.compile(r"\$[A-Za-z]{1,6}\b")
_TICKERS = ("$AAPL", "$TSLA", "$XYZ", "$BRK", "$GS", "$NIO", "$AMC", "$SPY", "$PLTR", "$QQQ")
_HANDLES = ("@stockguy", "@marketwatcher", "@trader_joe", "@newsdesk", "@bullbear")


def _other_case(text: str, rng: random.Random) -> str:
    return text.upper() if rng.random() < 0.3 else text.lower()


def _other_ticker(text: str, rng: random.Random) -> str:
    return _CASHTAG.sub(lambda _: rng.choice(_TICKERS), text)


def _more_tickers(text: str, rng: random.Random) -> str:
    return f"{' '.join(rng.sample(_TICKERS, rng.randint(1, 3)))} {text}"


def _retweeted(text: str, rng: random.Random) -> str:
    return f"RT {rng.choice(_HANDLES)}: {text}"


def _cut_short(text: str, rng: random.Random) -> str:
    words = text.split()
    return " ".join(words[: max(6, int(len(words) * 0.8))])


def _letters_swapped(text: str, rng: random.Random) -> str:
    if len(text) < 5:
        return text
    at = rng.randrange(1, len(text) - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _without_tickers(text: str, rng: random.Random) -> str:
    return _CASHTAG.sub("", text).strip(" -:") or text


_NOISES = (
    _other_case,
    _other_ticker,
    _more_tickers,
    _retweeted,
    _cut_short,
    _letters_swapped,
    _without_tickers,
)


def with_noise(text: str, rng: random.Random) -> str:
    """One change that does not change the meaning: case, tickers, handles, a cut end, a slip."""
    return rng.choice(_NOISES)(text, rng)
