"""Classifying a file: one line out for each line in, in the same order."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from classifier.engine import Engine, Prediction
from classifier.labels import SENTIMENTS, TOPICS
from classifier.text import model_text
from ingest.dead_letters import reason_class
from ingest.document import Document
from ingest.parse import Malformed, Policy, parse
from ingest.record import Record

# What a text says does not depend on when: a labelled set has no times, and needs none.
_ANY_TIME = "2000-01-01T00:00:00Z"
_TIME_PROBLEMS = frozenset(
    {
        "no event time",
        "event time not understood",
        "event time is out of range",
        "event time is in the future",
    }
)

Line = dict[str, Any]


def classify_records(
    records: Iterable[Record], engine: Engine, policy: Policy, now: int, batch_size: int
) -> Iterator[Line]:
    """A reading, or an object with ``error`` and ``line``, for each record in order."""
    waiting = iter(records)
    while batch := list(islice(waiting, batch_size)):
        parsed = [read_untimed(record, policy, now) for record in batch]
        texts = [model_text(d.title, d.body) for d in parsed if isinstance(d, Document)]
        predictions = iter(engine.classify(texts))
        for record, document in zip(batch, parsed, strict=True):
            if isinstance(document, Document):
                given = _given_id(record.raw)
                yield _reading(
                    document.id if given is None else given, next(predictions), engine.model_version
                )
            else:
                yield {"id": _given_id(record.raw), "line": record.offset, "error": document}


def read_untimed(record: Record, policy: Policy, now: int) -> Document | str:
    """The document, whatever its time says, or the reason why there is none."""
    try:
        return parse(record, policy, now)
    except Malformed as problem:
        if reason_class(str(problem)) not in _TIME_PROBLEMS:
            return str(problem)
    try:
        message = json.loads(record.raw)
        timed = json.dumps({**message, "published_at": _ANY_TIME}).encode()
        return parse(replace(record, raw=timed), policy, now)
    except (Malformed, ValueError, TypeError, RecursionError) as problem:
        return str(problem)


def _given_id(raw: bytes) -> str | int | None:
    """The id as the input has it, number or string; None where it has none."""
    try:
        value = json.loads(raw)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return value if isinstance(value, str | int) and value != "" else None


def _reading(name: str | int, prediction: Prediction, model_version: str) -> Line:
    return {
        "id": name,
        "topic": prediction.topic,
        "topic_sure": prediction.topic_sure,
        "topic_probabilities": _named(TOPICS, prediction.topic_probabilities),
        "sentiment": prediction.sentiment,
        "sentiment_sure": prediction.sentiment_sure,
        "sentiment_probabilities": _named(SENTIMENTS, prediction.sentiment_probabilities),
        "model_version": model_version,
    }


def _named(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Probabilities by label; significant digits, so that a small one does not become zero."""
    return {name: float(f"{p:.6g}") for name, p in zip(names, values, strict=True)}
