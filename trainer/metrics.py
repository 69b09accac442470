"""Metrics of a head from its probabilities and the truth, in plain numpy.

A table has shape (rows, labels); the truth and a guess are positions in the labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.calibration import Floats

Counts = NDArray[np.int64]

_LEAST = 1e-15  # what a probability of 0 counts as where its logarithm is taken


def confusion(truth: Counts, guess: Counts, labels: int) -> Counts:
    """Rows by true label (down) and guessed label (across)."""
    cells = np.bincount(truth * labels + guess, minlength=labels * labels)
    return cells.reshape(labels, labels)


def _share(part: Floats | Counts, whole: Floats | Counts) -> Floats:
    """Part by whole; 0 where the whole is empty."""
    parts = np.asarray(part, np.float64)
    return np.divide(parts, whole, out=np.zeros_like(parts), where=np.asarray(whole) > 0)


def precision_recall_f1(matrix: Counts) -> tuple[Floats, Floats, Floats]:
    """Each metric by label, 0 where it has no rows. Any number of leading axes is allowed."""
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    guessed, true = matrix.sum(axis=-2), matrix.sum(axis=-1)
    return _share(right, guessed), _share(right, true), _share(2 * right, guessed + true)


def occurring(matrix: Counts) -> NDArray[np.bool_]:
    """Which labels are true or guessed in any row: a macro average is over these."""
    found: NDArray[np.bool_] = (matrix.sum(axis=-2) + matrix.sum(axis=-1)) > 0
    return found


def macro(values: Floats, matrix: Counts) -> Floats:
    """The plain mean over the labels that occur."""
    known = occurring(matrix)
    return _share(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def roc_curve(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """False and true positive rates at each distinct score, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], positive[order]
    last_of_a_tie = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.cumsum(hits)[last_of_a_tie]
    false = last_of_a_tie + 1 - true
    rates = [np.concatenate([[0.0], _share(count, count[-1:])]) for count in (false, true)]
    return rates[0], rates[1]


def roc_auc(scores: Floats, positive: NDArray[np.bool_]) -> float | None:
    """Chance that a positive row has the greater score, ties half; None if a side is empty."""
    if positive.all() or not positive.any():
        return None
    false, true = roc_curve(scores, positive)
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)


def brier(table: Floats, truth: Counts) -> float:
    """Mean squared distance of the distribution from the truth, from 0 to 2 (Brier, 1950)."""
    distance = table.copy()
    distance[np.arange(len(truth)), truth] -= 1
    return float((distance**2).sum(axis=1).mean())


def log_loss(table: Floats, truth: Counts) -> float:
    """Mean negative logarithm of what the true label was given."""
    given = table[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(given, _LEAST, 1.0)).mean())


def kept_and_right(
    table: Floats, truth: Counts, floors: Sequence[float]
) -> list[tuple[float, float | None]]:
    """For each floor: the share of rows at least so confident, and the accuracy among them."""
    confidence, right = table.max(axis=1), table.argmax(axis=1) == truth
    found: list[tuple[float, float | None]] = []
    for floor in floors:
        kept = confidence >= floor
        found.append((float(kept.mean()), float(right[kept].mean()) if kept.any() else None))
    return found
