"""What the network says of windows becomes what the model says of texts."""

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.engine import Calibration, Prediction
from classifier.labels import SENTIMENTS, TOPICS

Floats = NDArray[np.float64]
Row = tuple[float, ...]


def predictions(
    topic: Floats, sentiment: Floats, windows: Sequence[Sequence[int]], calibration: Calibration
) -> list[Prediction]:
    """One prediction a text, from logits of shapes (windows, 20) and (windows, 9).

    ``windows`` has for each text the number of tokens of each of its windows, in the order of
    the logits' rows. A text's probabilities are the mean of its windows', weighted by tokens.
    """
    topics = list(_by_text(_softmax(topic, calibration.topic_temperature), windows))
    own = [_sentiment_temperature(row, calibration) for row in topics]
    spread = np.repeat(own, [len(lengths) for lengths in windows])
    sentiments = _by_text(_softmax(_mixture(sentiment), spread[:, None]), windows)
    return [
        Prediction(t, s, max(t) >= calibration.topic_floor, max(s) >= calibration.sentiment_floor)
        for t, s in zip(topics, sentiments, strict=True)
    ]


def _sentiment_temperature(topic: Row, calibration: Calibration) -> float:
    if not calibration.sentiment_by_topic:
        return calibration.sentiment_temperature
    likeliest = TOPICS[topic.index(max(topic))]
    return calibration.sentiment_by_topic.get(likeliest, calibration.sentiment_temperature)


def _mixture(logits: Floats) -> Floats:
    """The logits of each sentiment under any convention, from those under each."""
    labels = len(SENTIMENTS)
    by_convention = [logits[:, at : at + labels] for at in range(0, logits.shape[1], labels)]
    return functools.reduce(np.logaddexp, by_convention)


def _softmax(logits: Floats, temperature: float | Floats) -> Floats:
    """The softmax of each row. Sums run along rows, so no row's bits depend on another row."""
    weights = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    probabilities: Floats = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def _by_text(rows: Floats, windows: Sequence[Sequence[int]]) -> Iterator[Row]:
    """The rows of each text, as one."""
    taken = map(tuple, rows.tolist())
    for lengths in windows:
        if len(lengths) == 1:
            yield next(taken)
        else:
            yield _weighted([next(taken) for _ in lengths], lengths)


def _weighted(rows: Sequence[Row], weights: Sequence[int]) -> Row:
    total = sum(weights)
    return tuple(
        math.fsum(value * weight for value, weight in zip(column, weights, strict=True)) / total
        for column in zip(*rows, strict=True)
    )
