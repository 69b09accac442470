"""The CPU engine: ONNX Runtime over the 8-bit graph that trainer.graph writes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnxruntime

from classifier.engine import Calibration
from classifier.two_headed import Ids, Logits, Pending, TwoHeadedEngine
from classifier.windows import WindowTokenizer

TOKEN_BUDGET = 512  # of a batch: what a layer works on then fits a core's cache


def open_session(graph: Path) -> onnxruntime.InferenceSession:
    """A session whose answers do not depend on the batch: no threads, no rewrites of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


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
        token_budget: int = TOKEN_BUDGET,
        texts_at_once: int = 2048,
    ) -> None:
        tokenizer = WindowTokenizer(folder / "tokenizer.json")
        super().__init__(model_version, tokenizer, calibration, token_budget, texts_at_once)
        self._session = open_session(folder / "model.onnx")
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="onnx")

    def _start(self, batches: Sequence[Ids]) -> Sequence[Pending]:
        if len(batches) == 1:  # no hand-over for the single document of a quiet hour
            logits = self._forward(batches[0])
            return [lambda: logits]
        return [self._threads.submit(self._forward, batch).result for batch in batches]

    def _forward(self, batch: Ids) -> Logits:
        topic, sentiment = self._session.run(None, {"ids": batch})
        return topic, sentiment
