import math
import random

import numpy as np
import pytest

from classifier.answers import predictions
from classifier.engine import Calibration
from classifier.labels import TOPICS


def softmax(logits: list[float], temperature: float) -> list[float]:
    """One row, by the book."""
    weights = [math.exp((value - max(logits)) / temperature) for value in logits]
    return [weight / math.fsum(weights) for weight in weights]


def logits(count: int, conventions: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, 20)) * 4, rng.normal(size=(count, 3 * conventions)) * 4


def test_probabilities_are_the_softmax_at_the_heads_temperature():
    topic, sentiment = logits(50)
    given = predictions(topic, sentiment, [[9]] * 50, Calibration(0.9, 1.3))
    for row, one in zip(topic, given, strict=True):
        assert one.topic_probabilities == pytest.approx(softmax(row.tolist(), 0.9), abs=1e-12)
    for row, one in zip(sentiment, given, strict=True):
        assert one.sentiment_probabilities == pytest.approx(softmax(row.tolist(), 1.3), abs=1e-12)


def test_no_bit_of_an_answer_depends_on_the_other_rows():
    topic, sentiment = logits(300, conventions=3)
    whole = predictions(topic, sentiment, [[9]] * 300, Calibration(0.9, 1.3))
    rng = random.Random(2)
    for size in (1, 2, 3, 7, 50):
        rows = rng.sample(range(300), size)
        part = predictions(topic[rows], sentiment[rows], [[9]] * size, Calibration(0.9, 1.3))
        assert part == [whole[row] for row in rows]


def test_a_sentiment_is_as_likely_as_it_is_under_all_conventions_together():
    topic, sentiment = logits(40, conventions=3)
    for row, one in zip(
        sentiment, predictions(topic, sentiment, [[9]] * 40, Calibration()), strict=True
    ):
        joint = np.reshape(softmax(row.tolist(), 1.0), (3, 3))
        assert one.sentiment_probabilities == pytest.approx(joint.sum(axis=0).tolist(), abs=1e-12)


def test_an_answer_below_the_floor_is_unsure_and_one_at_it_is_not():
    topic, sentiment = np.zeros((2, 20)), np.log([[0.5, 0.3, 0.2], [0.49, 0.31, 0.2]])
    floors = Calibration(topic_floor=0.05, sentiment_floor=0.5)
    at, below = predictions(topic, sentiment, [[9], [9]], floors)
    assert (at.topic_sure, below.topic_sure) == (True, True)
    assert (at.sentiment_sure, below.sentiment_sure) == (True, False)
    assert below.sentiment == "negative"


def test_a_topic_may_have_a_temperature_of_its_own_for_the_sentiment():
    topic, sentiment = np.zeros((2, 20)), np.array([[2.0, 0.0, 0.0]] * 2)
    topic[0, 3] = topic[1, 4] = 5.0
    own = Calibration(sentiment_temperature=1.0, sentiment_by_topic={TOPICS[4]: 4.0})
    common, special = predictions(topic, sentiment, [[9], [9]], own)
    assert common.sentiment_probabilities == pytest.approx(softmax([2.0, 0.0, 0.0], 1.0))
    assert special.sentiment_probabilities == pytest.approx(softmax([2.0, 0.0, 0.0], 4.0))


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
