"""What an engine is: texts in, predictions out, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from classifier.labels import SENTIMENTS, TOPICS


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one text. Each distribution sums to 1, in the order of its labels.

    ``topic_sure`` and ``sentiment_sure`` are False where the greatest probability is below the
    version's floor: the likeliest label is then more often wrong than right.
    """

    topic_probabilities: tuple[float, ...]
    sentiment_probabilities: tuple[float, ...]
    topic_sure: bool = True
    sentiment_sure: bool = True

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
    """Divides logits before the softmax (Guo et al., 2017): 1.0 leaves them as they are.

    ``sentiment_by_topic`` replaces the sentiment's temperature for texts of some topics. The
    floors are the confidence from which an answer counts as sure.
    """

    topic_temperature: float = 1.0
    sentiment_temperature: float = 1.0
    sentiment_by_topic: Mapping[str, float] = field(default_factory=dict)
    topic_floor: float = 0.0
    sentiment_floor: float = 0.0
