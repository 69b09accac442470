"""What an engine is: texts in, predictions out, in order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from classifier.labels import SENTIMENTS, TOPICS


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one text. Each distribution sums to 1, in the order of its labels."""

    topic_probabilities: tuple[float, ...]
    sentiment_probabilities: tuple[float, ...]

    @property
    def topic(self) -> str:
        """The likeliest topic."""
        return TOPICS[_greatest(self.topic_probabilities)]

    @property
    def sentiment(self) -> str:
        """The likeliest sentiment."""
        return SENTIMENTS[_greatest(self.sentiment_probabilities)]


def _greatest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


class Engine(Protocol):
    """One model version, ready to classify.

    A text's prediction depends on the text alone: never on its neighbours, on the size of the
    batch or on the number of threads. Live and replay could not agree otherwise.
    """

    model_version: str

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions in the order of ``texts``. An empty text is allowed."""


@dataclass(frozen=True)
class Calibration:
    """Divides logits before the softmax (Guo et al., 2017): 1.0 leaves them as they are."""

    topic_temperature: float = 1.0
    sentiment_temperature: float = 1.0


def softmax(logits: Sequence[float], temperature: float) -> tuple[float, ...]:
    """Probabilities of ``logits`` at ``temperature``."""
    top = max(logits)
    weights = [math.exp((value - top) / temperature) for value in logits]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)
