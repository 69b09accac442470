import math
import random

import numpy as np
import pytest

from classifier.answers import predictions
from classifier.engine import Calibration, softmax


def logits(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, 20)) * 4, rng.normal(size=(count, 3)) * 4


def test_probabilities_are_the_softmax_at_the_heads_temperature():
    topic, sentiment = logits(50)
    given = predictions(topic, sentiment, [[9]] * 50, Calibration(0.9, 1.3))
    for row, one in zip(topic, given, strict=True):
        assert one.topic_probabilities == pytest.approx(softmax(row.tolist(), 0.9), abs=1e-12)
    for row, one in zip(sentiment, given, strict=True):
        assert one.sentiment_probabilities == pytest.approx(softmax(row.tolist(), 1.3), abs=1e-12)


def test_no_bit_of_an_answer_depends_on_the_other_rows():
    topic, sentiment = logits(300)
    whole = predictions(topic, sentiment, [[9]] * 300, Calibration(0.9, 1.3))
    rng = random.Random(2)
    for size in (1, 2, 3, 7, 50):
        rows = rng.sample(range(300), size)
        part = predictions(topic[rows], sentiment[rows], [[9]] * size, Calibration(0.9, 1.3))
        assert part == [whole[row] for row in rows]


def test_windows_count_by_their_tokens():
    topic, sentiment = logits(3)
    calm, long = predictions(topic, sentiment, [[5], [30, 10]], Calibration())
    rows = [softmax(row.tolist(), 1.0) for row in sentiment]
    assert calm.sentiment_probabilities == pytest.approx(rows[0])
    assert long.sentiment_probabilities == pytest.approx(
        [(30 * a + 10 * b) / 40 for a, b in zip(rows[1], rows[2], strict=True)]
    )
    assert math.fsum(long.topic_probabilities) == pytest.approx(1)


def test_no_texts_have_no_answers():
    assert predictions(np.empty((0, 20)), np.empty((0, 3)), [], Calibration()) == []
