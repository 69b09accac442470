"""One temperature for a head, fitted so that its probabilities mean what they say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 15


def _loss(logits: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(scaled).sum(axis=1))
    return float((log_total - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: Floats, labels: Sequence[int]) -> float:
    """The temperature with the least negative log-likelihood (Guo et al., 2017).

    ``logits`` has shape (rows, labels). The loss is unimodal in the logarithm of the
    temperature, so a golden-section search over 0.2 to 5 finds it.
    """
    truth = np.asarray(labels, np.int64)
    low, high, ratio = math.log(0.2), math.log(5.0), (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _loss(logits, truth, math.exp(left)) < _loss(logits, truth, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


@dataclass(frozen=True)
class Bin:
    """The rows whose confidence lies in one stretch; its means are None where it is empty."""

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


def bin_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    """In which of ``bins`` equal stretches each confidence lies; 1 lies in the last."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def reliability(probabilities: Floats, labels: Sequence[int], bins: int = BINS) -> tuple[Bin, ...]:
    """What the model claims (confidence) beside what it keeps (accuracy), by confidence."""
    truth = np.asarray(labels, np.int64)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = bin_of(confidence, bins)
    found = []
    for number in range(bins):
        here = place == number
        means = (
            (float(confidence[here].mean()), float(right[here].mean()))
            if here.any()
            else (None, None)
        )
        found.append(Bin(number / bins, (number + 1) / bins, int(here.sum()), *means))
    return tuple(found)


def calibration_error(probabilities: Floats, labels: Sequence[int], bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al., 2015): mean |confidence - accuracy| by bin."""
    gaps = [
        abs(one.confidence - one.accuracy) * one.rows / len(labels)
        for one in reliability(probabilities, labels, bins)
        if one.confidence is not None and one.accuracy is not None
    ]
    return float(sum(gaps))
