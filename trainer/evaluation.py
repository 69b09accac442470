"""How good an engine is on labelled rows, with and without those that it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.engine import Engine, Prediction
from classifier.labels import SENTIMENTS, TOPICS
from trainer.calibration import Floats
from trainer.datasets import Row, served_text
from trainer.scorecard import Scorecard, scorecard

HeldOut = Mapping[str, Sequence[Row]]
LABELS: Mapping[str, tuple[str, ...]] = {"topic": TOPICS, "sentiment": SENTIMENTS}


def probabilities(prediction: Prediction, head: str) -> tuple[float, ...]:
    """The distribution of one head."""
    if head == "topic":
        return prediction.topic_probabilities
    return prediction.sentiment_probabilities


def table_of(predictions: Sequence[Prediction], head: str) -> Floats:
    """The distributions of one head, a row for each prediction."""
    found = [probabilities(prediction, head) for prediction in predictions]
    return np.array(found, np.float64).reshape(-1, len(LABELS[head]))


class Answers:
    """What one engine says of all held-out rows."""

    def __init__(self, predictions: Mapping[str, list[Prediction]], held_out: HeldOut) -> None:
        self._predictions = predictions
        self._held_out = held_out

    @classmethod
    def of(cls, engine: Engine, held_out: HeldOut) -> "Answers":
        """Classify every set."""
        texts = {name: [served_text(row) for row in rows] for name, rows in held_out.items()}
        return cls({name: engine.classify(some) for name, some in texts.items()}, held_out)

    def labelled(self, head: str) -> dict[str, tuple[list[Prediction], list[str]]]:
        """Predictions and labels of the rows that bear a label for ``head``, by set."""
        found = {}
        for name, rows in self._held_out.items():
            pairs = [
                (prediction, str(row[head]))
                for prediction, row in zip(self._predictions[name], rows, strict=True)
                if row.get(head) is not None
            ]
            if pairs:
                found[name] = ([one for one, _ in pairs], [label for _, label in pairs])
        return found

    def guesses(self, head: str) -> tuple[list[str], list[str]]:
        """The likeliest labels and the true ones, of all sets together."""
        pairs = self.labelled(head).values()
        guesses = [str(getattr(one, head)) for predictions, _ in pairs for one in predictions]
        return guesses, [label for _, labels in pairs for label in labels]


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
