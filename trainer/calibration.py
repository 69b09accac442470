"""One temperature for a head, fitted so that its probabilities mean what they say."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


def calibration_error(probabilities: Floats, labels: Sequence[int], bins: int = 15) -> float:
    """Expected calibration error (Naeini et al., 2015): mean |confidence - accuracy| by bin."""
    truth = np.asarray(labels, np.int64)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))
