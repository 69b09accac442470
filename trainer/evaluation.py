"""How good an engine is on labelled rows, with and without those that it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.engine import Engine, Prediction
from classifier.labels import SENTIMENTS, TOPICS
from trainer.calibration import Floats, calibration_error
from trainer.datasets import served_text
from trainer.metrics import confusion, macro, precision_recall_f1
from trainer.scorecard import Scorecard, scorecard

LABELS: Mapping[str, tuple[str, ...]] = {"topic": TOPICS, "sentiment": SENTIMENTS}


@dataclass(frozen=True)
class Score:
    """Metrics of one head on one set; ``recall`` is by label."""

    rows: int
    accuracy: float
    macro_f1: float
    recall: dict[str, float]
    calibration_error: float


def probabilities(prediction: Prediction, head: str) -> tuple[float, ...]:
    """The distribution of one head."""
    if head == "topic":
        return prediction.topic_probabilities
    return prediction.sentiment_probabilities


def score(engine: Engine, rows: Sequence[Mapping[str, object]], head: str) -> Score:
    """Score ``engine`` on the rows that bear a label for ``head``. Raises ValueError if none."""
    labels = LABELS[head]
    labelled = [row for row in rows if row.get(head) is not None]
    if not labelled:
        raise ValueError(f"no row bears a {head}")
    truth = np.array([labels.index(str(row[head])) for row in labelled], np.int64)
    table = table_of(engine.classify([served_text(row) for row in labelled]), head)
    matrix = confusion(truth, table.argmax(axis=1), len(labels))
    _, recall, f1 = precision_recall_f1(matrix)
    return Score(
        rows=len(labelled),
        accuracy=float(np.trace(matrix) / len(labelled)),
        macro_f1=float(macro(f1, matrix)),
        recall={
            label: round(value, 4) for label, value in zip(labels, recall.tolist(), strict=True)
        },
        calibration_error=calibration_error(table, truth.tolist()),
    )


def table_of(predictions: Sequence[Prediction], head: str) -> Floats:
    """The distributions of one head, a row for each prediction."""
    found = [probabilities(prediction, head) for prediction in predictions]
    return np.array(found, np.float64).reshape(-1, len(LABELS[head]))


@dataclass(frozen=True)
class Evaluation:
    """One head on one set: on all its rows, and on those that are no copies of trained ones.

    ``leak_free`` is None where no row is left. ``leaked`` are places in the set.
    """

    all_rows: Scorecard
    leak_free: Scorecard | None
    leaked: tuple[int, ...]


def evaluate(
    name: str,
    head: str,
    predictions: Sequence[Prediction],
    truth: Sequence[str],
    leaked: NDArray[np.bool_] | None = None,
    model_version: str = "",
) -> Evaluation:
    """Measure one head of the predictions against ``truth``.

    ``leaked`` marks the rows that the version was trained on. Raises ValueError if there is no
    row, or a label is unknown.
    """
    labels = LABELS[head]
    table = table_of(predictions, head)
    if unknown := set(truth).difference(labels):
        raise ValueError(f"unknown {head}: {min(unknown)!r}")
    positions = np.array([labels.index(label) for label in truth], np.int64)
    out = np.zeros(len(truth), np.bool_) if leaked is None else leaked
    whole = scorecard(name, head, labels, table, positions, model_version)
    rest = whole
    if out.any():
        if out.all():
            return Evaluation(whole, None, tuple(range(len(truth))))
        rest = scorecard(name, head, labels, table[~out], positions[~out], model_version)
    return Evaluation(whole, rest, tuple(np.flatnonzero(out).tolist()))
