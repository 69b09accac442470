"""What the network says of windows becomes what the model says of texts."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.engine import Calibration, Prediction

Floats = NDArray[np.float64]
Row = tuple[float, ...]


def predictions(
    topic: Floats, sentiment: Floats, windows: Sequence[Sequence[int]], calibration: Calibration
) -> list[Prediction]:
    """One prediction a text, from logits of shapes (windows, 20) and (windows, 3).

    ``windows`` has for each text the number of tokens of each of its windows, in the order of
    the logits' rows. A text's probabilities are the mean of its windows', weighted by tokens.
    """
    topics = _by_text(_softmax(topic, calibration.topic_temperature), windows)
    sentiments = _by_text(_softmax(sentiment, calibration.sentiment_temperature), windows)
    return [Prediction(*both) for both in zip(topics, sentiments, strict=True)]


def _softmax(logits: Floats, temperature: float) -> Floats:
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
