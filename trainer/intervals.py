"""How far metrics of a test set can be trusted: 95 % intervals by the bootstrap.

The rows are drawn again with replacement, a thousand times, from a fixed seed (Efron, 1979;
percentile intervals). The same rows give the same interval on every machine.
"""

from dataclasses import dataclass

import numpy as np

from trainer.calibration import BINS, Floats, bin_of
from trainer.metrics import Counts, macro, precision_recall_f1

RESAMPLES = 1000
SEED = 20260101
_LEVEL = 0.95
_DRAWS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Estimate:
    """A metric of all rows, and where 95 of 100 resamples lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampled:
    """A value for each resample; ``recall`` has a column for each label, NaN without its rows."""

    accuracy: Floats
    macro_f1: Floats
    recall: Floats
    calibration_error: Floats


def resample(table: Floats, truth: Counts, resamples: int = RESAMPLES) -> Resampled:
    """The metrics of ``resamples`` draws of as many rows as there are."""
    rows = len(truth)
    random = np.random.Generator(np.random.PCG64(SEED))
    at_once = max(1, _DRAWS_AT_ONCE // rows)
    parts = []
    for start in range(0, resamples, at_once):
        drawn = random.integers(0, rows, (min(at_once, resamples - start), rows))
        parts.append(_measure(table, truth, drawn))
    return Resampled(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _measure(table: Floats, truth: Counts, drawn: Counts) -> tuple[Floats, Floats, Floats, Floats]:
    draws, rows = drawn.shape
    labels = table.shape[1]
    guess, confidence = table.argmax(axis=1), table.max(axis=1)
    cells = _sums(truth * labels + guess, labels * labels, drawn)
    matrix = cells.reshape(draws, labels, labels).astype(np.int64)
    _, recall, f1 = precision_recall_f1(matrix)
    recall[matrix.sum(axis=-1) == 0] = np.nan
    gaps = _sums(bin_of(confidence, BINS), BINS, drawn, confidence - (guess == truth))
    return (
        np.trace(matrix, axis1=1, axis2=2) / rows,
        macro(f1, matrix),
        recall,
        np.abs(gaps).sum(axis=1) / rows,
    )


def _sums(group: Counts, groups: int, drawn: Counts, weight: Floats | None = None) -> Floats:
    """For each draw the weight, or the number, of its rows in each group: (draws, groups)."""
    draws = len(drawn)
    place = (group[drawn] + np.arange(draws)[:, None] * groups).reshape(-1)
    weights = None if weight is None else weight[drawn].reshape(-1)
    sums = np.bincount(place, weights, minlength=draws * groups)
    return sums.reshape(draws, groups).astype(np.float64)


def estimate(value: float, resampled: Floats) -> Estimate:
    """The interval around ``value``; resamples without the metric (NaN) do not count."""
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return Estimate(value, value, value)
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(value, float(low), float(high))
