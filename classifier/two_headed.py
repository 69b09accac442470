"""What every engine shares: memory, tokens, batches, windows put together again."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from classifier.answers import Floats, predictions
from classifier.batching import equal_length_batches
from classifier.engine import Calibration, Prediction
from classifier.labels import CONVENTIONS, SENTIMENTS, TOPICS
from classifier.memo import Memo
from classifier.windows import WindowTokenizer

Ids = NDArray[np.int64]  # (windows, tokens)
Logits = tuple[NDArray[np.float32], NDArray[np.float32]]  # (windows, 20) and (windows, 9)
Pending = Callable[[], Logits]  # waits for a batch that was begun
Finish = Callable[[], list[Prediction]]


class TwoHeadedEngine(ABC):
    """An engine around one forward pass; a subclass supplies the pass.

    ``token_budget`` bounds a batch. Texts are cut into batches ``texts_at_once`` at a time: the
    more, the more of them have one length; the fewer, the sooner the first batch can begin.
    """

    def __init__(
        self,
        model_version: str,
        tokenizer: WindowTokenizer,
        calibration: Calibration,
        token_budget: int,
        texts_at_once: int,
        memo_size: int = 50_000,
    ) -> None:
        self.model_version = model_version
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._token_budget = token_budget
        self._texts_at_once = texts_at_once
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
        # Everything is begun before the first result is awaited: one part is made into tokens
        # while the network works on the parts before it.
        step = self._texts_at_once
        begun = [self._begin(texts[at : at + step]) for at in range(0, len(texts), step)]
        return list(chain.from_iterable(finish() for finish in begun))

    def _begin(self, texts: Sequence[str]) -> Finish:
        windows_of = self._tokenizer.windows(texts)
        lengths_of = [[len(window) for window in windows] for windows in windows_of]
        flat = list(chain.from_iterable(windows_of))
        lengths = list(chain.from_iterable(lengths_of))
        batches = list(equal_length_batches(lengths, self._token_budget))
        pending = self._start([np.array([flat[i] for i in batch], np.int64) for batch in batches])

        def finish() -> list[Prediction]:
            topic: Floats = np.empty((len(flat), len(TOPICS)))
            sentiment: Floats = np.empty((len(flat), len(CONVENTIONS) * len(SENTIMENTS)))
            for batch, wait in zip(batches, pending, strict=True):
                topic[batch], sentiment[batch] = wait()
            return predictions(topic, sentiment, lengths_of, self._calibration)

        return finish

    @abstractmethod
    def _start(self, batches: Sequence[Ids]) -> Sequence[Pending]:
        """Begin ``batches``, the windows of each of one length; each result can be awaited."""
