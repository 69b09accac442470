"""Temperatures of a version, fitted on held-out rows and judged on rows they were not fitted on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.engine import Calibration
from classifier.labels import TOPICS
from trainer.calibration import Floats, calibration_error, fit_temperature
from trainer.metrics import log_loss

LEAST_ROWS = 150  # of a topic, for a temperature of its own
FLOOR = 0.5  # below it an answer is more likely wrong than right, if confidence means what it says

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Uncalibrated logits (rows, labels), true labels, and the topic that the model gives."""

    logits: Floats
    truth: Counts
    topic: Counts

    def at(self, rows: NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        return Rows(self.logits[rows], self.truth[rows], self.topic[rows])


Temperatures = Mapping[int | None, float]  # by topic; None for all that have none of their own


def _single(rows: Rows) -> Temperatures:
    return {None: fit_temperature(rows.logits, rows.truth.tolist())}


def _by_topic(rows: Rows) -> Temperatures:
    """One for each topic with rows enough, beside that of all."""
    fitted = dict(_single(rows))
    for topic, count in enumerate(np.bincount(rows.topic, minlength=len(TOPICS))):
        if count >= LEAST_ROWS:
            fitted |= {topic: _single(rows.at(rows.topic == topic))[None]}
    return fitted


def scaled(rows: Rows, temperatures: Temperatures) -> Floats:
    """The probabilities of ``rows`` under ``temperatures``."""
    by_row = np.array([temperatures.get(t, temperatures[None]) for t in rows.topic.tolist()])
    logits = rows.logits / by_row[:, None]
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def crossed(rows: Rows, fit: Callable[[Rows], Temperatures], parts: int = 5) -> Floats:
    """The probabilities of each row under temperatures fitted on the other parts' rows."""
    part = np.random.default_rng(1).permutation(len(rows.truth)) % parts
    found = np.zeros_like(rows.logits)
    for number in range(parts):
        found[part == number] = scaled(rows.at(part == number), fit(rows.at(part != number)))
    return found


@dataclass(frozen=True)
class Fitted:
    """What was chosen, and the errors of rows that had no part in the choice of temperature."""

    calibration: Calibration
    crossed_error: dict[str, float]


def fit(topic: Rows, sentiment: Mapping[str, Rows]) -> Fitted:
    """One temperature for topics; for sentiment one, or one a topic where that is better.

    ``sentiment`` has the rows of each set. Better is a smaller log loss on rows that had no part
    in the fitting. The reported calibration errors are of such rows too.
    """
    pooled = joined(list(sentiment.values()))
    several = log_loss(crossed(pooled, _by_topic), pooled.truth)
    single = log_loss(crossed(pooled, _single), pooled.truth)
    choice = _by_topic if several < single else _single
    fitted = choice(pooled)
    calibration = Calibration(
        topic_temperature=round(_single(topic)[None], 4),
        sentiment_temperature=round(fitted[None], 4),
        sentiment_by_topic={
            TOPICS[number]: round(value, 4)
            for number, value in fitted.items()
            if number is not None
        },
        topic_floor=FLOOR,
        sentiment_floor=FLOOR,
    )
    errors = {"topic": calibration_error(crossed(topic, _single), topic.truth.tolist())}
    probabilities, start = crossed(pooled, choice), 0
    for name, rows in sentiment.items():
        own = probabilities[start : start + len(rows.truth)]
        errors[f"sentiment/{name}"] = calibration_error(own, rows.truth.tolist())
        start += len(rows.truth)
    return Fitted(calibration, {name: round(value, 4) for name, value in errors.items()})


def joined(several: Sequence[Rows]) -> Rows:
    """All rows of several sets."""
    return Rows(
        np.concatenate([rows.logits for rows in several]),
        np.concatenate([rows.truth for rows in several]),
        np.concatenate([rows.topic for rows in several]),
    )
