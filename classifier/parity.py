"""The gate that keeps both engines of a version alike, at export and whenever one is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from classifier.engine import Engine

AGREEMENT = 0.995  # the least share of rows to which both engines give the same label
GREATEST_LOSS = 0.003  # of accuracy, against the network that was trained


@dataclass(frozen=True)
class Parity:
    """How alike two engines are on labelled rows: equal labels, and accuracy lost, by head."""

    agreement: Mapping[str, float]
    accuracy_loss: Mapping[str, float]

    @property
    def fault(self) -> str | None:
        """Why the second engine may not stand for the first; None if it may."""
        for what, share in self.agreement.items():
            if share < AGREEMENT:
                return (
                    f"the engine gives the trained network's label on {100 * share:.1f} %"
                    f" ({what}) only; a version needs {100 * AGREEMENT:.1f} %"
                )
        if max(self.accuracy_loss.values(), default=0.0) > GREATEST_LOSS:
            return f"the engine loses accuracy: {dict(self.accuracy_loss)}"
        return None


class Probe(TypedDict):
    """A text, and the labels that the trained network gives it."""

    text: str
    topic: str
    sentiment: str


def probes(texts: Sequence[str], engine: Engine, reference: Engine) -> list[Probe]:
    """The texts that both engines give the same labels, with these labels.

    They travel in the manifest: an engine that answers them otherwise after it was loaded
    (damaged weights, a faulty kernel of another processor) is not the version it claims to be.
    """
    pairs = zip(texts, engine.classify(texts), reference.classify(texts), strict=True)
    return [
        {"text": text, "topic": theirs.topic, "sentiment": theirs.sentiment}
        for text, ours, theirs in pairs
        if (ours.topic, ours.sentiment) == (theirs.topic, theirs.sentiment)
    ]


def agreement(engine: Engine, expected: Sequence[Probe]) -> float:
    """The share of labels of the probes that the engine gives too; 1.0 if there are none."""
    answers = engine.classify([probe["text"] for probe in expected])
    same = [
        (answer.topic == probe["topic"], answer.sentiment == probe["sentiment"])
        for answer, probe in zip(answers, expected, strict=True)
    ]
    return sum(map(sum, same)) / (2 * len(same)) if same else 1.0
