import numpy as np

from classifier.labels import TOPICS
from trainer.temperatures import Rows, fit


def _rows(count, temperature, seed, topic=0, labels=3):
    """Rows whose labels are drawn from the softmax of logits / temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, labels))
    share = np.exp(logits / temperature)
    share /= share.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(labels, p=row) for row in share])
    return Rows(logits, truth, np.full(count, topic))


def test_the_temperature_that_made_the_labels_is_found():
    fitted = fit(_rows(3000, 1.5, 1, labels=20), {"a": _rows(3000, 0.8, 2)})
    assert abs(fitted.calibration.topic_temperature - 1.5) < 0.1
    assert abs(fitted.calibration.sentiment_temperature - 0.8) < 0.08
    assert max(fitted.crossed_error.values()) < 0.04


def test_topics_that_differ_get_temperatures_of_their_own():
    sets = {"a": _rows(1500, 0.5, 1, topic=3), "b": _rows(1500, 2.0, 2, topic=5)}
    fitted = fit(_rows(200, 1.0, 3, labels=20), sets).calibration.sentiment_by_topic
    assert abs(fitted[TOPICS[3]] - 0.5) < 0.1
    assert abs(fitted[TOPICS[5]] - 2.0) < 0.3


def test_a_topic_of_few_rows_shares_the_common_temperature():
    sets = {"a": _rows(2000, 1.0, 1, topic=3), "b": _rows(60, 3.0, 2, topic=5)}
    assert TOPICS[5] not in fit(_rows(200, 1.0, 3, labels=20), sets).calibration.sentiment_by_topic
