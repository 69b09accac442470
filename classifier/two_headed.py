"""What every engine shares: memory, tokens, batches, windows put together again."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from classifier.batching import equal_length_batches
from classifier.engine import Calibration, Prediction, softmax
from classifier.memo import Memo
from classifier.windows import WindowTokenizer

Logits = tuple[list[float], list[float]]


class TwoHeadedEngine(ABC):
    """An engine around one forward pass; a subclass supplies the pass."""

    def __init__(
        self,
        model_version: str,
        tokenizer: WindowTokenizer,
        calibration: Calibration,
        token_budget: int,
        memo_size: int = 50_000,
    ) -> None:
        self.model_version = model_version
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._token_budget = token_budget
        self._memo = Memo(memo_size)

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions in the order of ``texts``."""
        found = {text: self._memo.get(text) for text in texts}
        fresh = [text for text, known in found.items() if known is None]
        computed = dict(zip(fresh, self._compute(fresh), strict=True))
        for text, prediction in computed.items():
            self._memo.put(text, prediction)
        return [found[text] or computed[text] for text in texts]

    def _compute(self, texts: Sequence[str]) -> list[Prediction]:
        windows_of = self._tokenizer.windows(texts) if texts else []
        flat = [window for windows in windows_of for window in windows]
        logits: list[Logits | None] = [None] * len(flat)
        batches = list(equal_length_batches([len(window) for window in flat], self._token_budget))
        results = self._forward_all([[flat[i] for i in batch] for batch in batches])
        for batch, result in zip(batches, results, strict=True):
            for position, one in zip(batch, result, strict=True):
                logits[position] = one
        taken = iter(logits)
        return [self._merge([(len(w), next(taken)) for w in windows]) for windows in windows_of]

    def _merge(self, windows: list[tuple[int, Logits | None]]) -> Prediction:
        """Mean of the windows' probabilities, weighted by their tokens."""
        topic, sentiment = [], []
        for _, logits in windows:
            assert logits is not None, "every window is in exactly one batch"
            topic.append(softmax(logits[0], self._calibration.topic_temperature))
            sentiment.append(softmax(logits[1], self._calibration.sentiment_temperature))
        if len(windows) == 1:
            return Prediction(topic[0], sentiment[0])
        weights = [length for length, _ in windows]
        return Prediction(_weighted(topic, weights), _weighted(sentiment, weights))

    @abstractmethod
    def _forward_all(self, batches: list[list[list[int]]]) -> list[list[Logits]]:
        """Logits of each window of each batch; all windows of a batch have one length."""


def _weighted(rows: list[tuple[float, ...]], weights: list[int]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(
        math.fsum(value * weight for value, weight in zip(column, weights, strict=True)) / total
        for column in zip(*rows, strict=True)
    )
