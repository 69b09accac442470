"""A scorecard: all that is measured of one head on one set of labelled rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from classifier.labels import SENTIMENTS
from trainer.calibration import Bin, Floats, calibration_error, reliability
from trainer.intervals import Estimate, Resampled, estimate, resample
from trainer.metrics import (
    Counts,
    brier,
    confusion,
    kept_and_right,
    log_loss,
    macro,
    precision_recall_f1,
    roc_auc,
    roc_curve,
)

FLOORS = (*(round(0.05 * step, 2) for step in range(20)), 0.98, 0.99)
_MOST_POINTS = 100  # of a curve: more cannot be seen
_DIGITS = 6


@dataclass(frozen=True)
class LabelScore:
    """One label against the rest; ``roc_auc`` is None where all rows or none are of it."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float
    roc_auc: float | None


@dataclass(frozen=True)
class Coverage:
    """Abstaining below ``floor``: the share of rows still answered, and how many of them right."""

    floor: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class Curve:
    """A ROC curve: rates of false and of true positives."""

    false_positive: tuple[float, ...]
    true_positive: tuple[float, ...]


@dataclass(frozen=True)
class Scorecard:
    """Macro averages are over the labels that occur; the Brier score goes from 0 to 2.

    ``negative_recall`` is None for topics, and where no row is negative.
    """

    name: str
    head: str
    model_version: str
    rows: int
    accuracy: Estimate
    macro_precision: float
    macro_recall: float
    macro_f1: Estimate
    macro_roc_auc: float | None
    negative_recall: Estimate | None
    calibration_error: Estimate
    brier: float
    log_loss: float
    labels: tuple[LabelScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]
    roc: dict[str, Curve]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with six digits after the point."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded

    def at(self, floor: float) -> Coverage:
        """What is answered, and how well, at the first floor that is not below ``floor``."""
        return next((one for one in self.coverage if one.floor >= floor), self.coverage[-1])


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def scorecard(
    name: str,
    head: str,
    labels: Sequence[str],
    table: Floats,
    truth: Counts,
    model_version: str = "",
) -> Scorecard:
    """Measure a head whose probabilities are ``table``. Raises ValueError if it has no row."""
    if not len(truth):
        raise ValueError(f"no row bears a {head}")
    guess = table.argmax(axis=1)
    matrix = confusion(truth, guess, len(labels))
    precision, recall, f1 = precision_recall_f1(matrix)
    drawn = resample(table, truth)
    scores = _label_scores(labels, table, truth, (precision, recall, f1))
    areas = [one.roc_auc for one in scores if one.roc_auc is not None]
    return Scorecard(
        name=name,
        head=head,
        model_version=model_version,
        rows=len(truth),
        accuracy=estimate(float((guess == truth).mean()), drawn.accuracy),
        macro_precision=float(macro(precision, matrix)),
        macro_recall=float(macro(recall, matrix)),
        macro_f1=estimate(float(macro(f1, matrix)), drawn.macro_f1),
        macro_roc_auc=sum(areas) / len(areas) if areas else None,
        negative_recall=_negative_recall(labels, matrix, recall, drawn),
        calibration_error=estimate(
            calibration_error(table, truth.tolist()), drawn.calibration_error
        ),
        brier=brier(table, truth),
        log_loss=log_loss(table, truth),
        labels=scores,
        confusion=tuple(map(tuple, matrix.tolist())),
        reliability=reliability(table, truth.tolist()),
        coverage=tuple(
            Coverage(floor, *kept)
            for floor, kept in zip(FLOORS, kept_and_right(table, truth, FLOORS), strict=True)
        ),
        roc={
            one.label: _curve(table[:, place], truth == place)
            for place, one in enumerate(scores)
            if one.roc_auc is not None
        },
    )


def _label_scores(
    labels: Sequence[str], table: Floats, truth: Counts, metrics: tuple[Floats, Floats, Floats]
) -> tuple[LabelScore, ...]:
    precision, recall, f1 = (metric.tolist() for metric in metrics)
    return tuple(
        LabelScore(
            label=label,
            support=int((truth == place).sum()),
            precision=precision[place],
            recall=recall[place],
            f1=f1[place],
            roc_auc=roc_auc(table[:, place], truth == place),
        )
        for place, label in enumerate(labels)
    )


def _negative_recall(
    labels: Sequence[str], matrix: Counts, recall: Floats, drawn: Resampled
) -> Estimate | None:
    """What decides whether a surge of bad news is seen at all."""
    if tuple(labels) != SENTIMENTS:
        return None
    place = SENTIMENTS.index("negative")
    if not matrix[place].any():
        return None
    return estimate(float(recall[place]), drawn.recall[:, place])


def _curve(scores: Floats, positive: Any) -> Curve:
    """The curve with few enough points: those nearest to evenly spaced along its way."""
    false, true = roc_curve(scores, positive)
    if len(false) > _MOST_POINTS:
        # Along both axes together, so that the steep rise keeps its shape.
        way = np.linspace(0, 2, _MOST_POINTS)
        chosen = np.unique(np.searchsorted(false + true, way).clip(0, len(false) - 1))
        false, true = false[chosen], true[chosen]
    return Curve(tuple(false.tolist()), tuple(true.tolist()))
