"""The CPU engine: ONNX Runtime over the 8-bit graph that trainer.export writes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from classifier.engine import Calibration
from classifier.two_headed import Logits, TwoHeadedEngine
from classifier.windows import WindowTokenizer


class OnnxEngine(TwoHeadedEngine):
    """One session, one batch a thread.

    ONNX Runtime's own threads stay off, and so do its graph rewrites: both change the order of
    float sums with the shape of the batch. With them off a text's logits are the same to the
    bit in any batch (the test suite checks), and ``threads`` batches run side by side.
    """

    def __init__(
        self,
        folder: Path,
        model_version: str,
        calibration: Calibration,
        threads: int,
        token_budget: int = 1024,
    ) -> None:
        tokenizer = WindowTokenizer(folder / "tokenizer.json")
        super().__init__(model_version, tokenizer, calibration, token_budget)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="onnx")

    def _forward_all(self, batches: list[list[list[int]]]) -> list[list[Logits]]:
        if len(batches) == 1:  # no hand-over for the single document of a quiet hour
            return [self._forward(batches[0])]
        return list(self._results(batches))

    def _results(self, batches: list[list[list[int]]]) -> Iterator[list[Logits]]:
        yield from self._threads.map(self._forward, batches)

    def _forward(self, batch: list[list[int]]) -> list[Logits]:
        topic, sentiment = self._session.run(None, {"ids": np.array(batch, np.int64)})
        return list(zip(topic.tolist(), sentiment.tolist(), strict=True))
