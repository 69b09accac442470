"""How good an engine is on labelled rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score

from classifier.engine import Engine, Prediction
from classifier.labels import SENTIMENTS, TOPICS
from trainer.calibration import calibration_error
from trainer.datasets import served_text

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
    truth = [labels.index(str(row[head])) for row in labelled]
    predictions = engine.classify([served_text(row) for row in labelled])
    table = np.array([probabilities(prediction, head) for prediction in predictions])
    guess = table.argmax(axis=1)
    recall = recall_score(
        truth, guess, average=None, labels=range(len(labels)), zero_division=0
    ).tolist()
    return Score(
        rows=len(labelled),
        accuracy=float(accuracy_score(truth, guess)),
        macro_f1=float(f1_score(truth, guess, average="macro")),
        recall={label: round(value, 4) for label, value in zip(labels, recall, strict=True)},
        calibration_error=calibration_error(table, truth),
    )
