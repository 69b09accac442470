"""The torch engine: half precision on a GPU where there is one, full precision on a CPU."""

from collections.abc import Sequence
from pathlib import Path

import torch

from classifier.engine import Calibration
from classifier.network import TwoHeadedBert
from classifier.two_headed import Ids, Pending, TwoHeadedEngine
from classifier.windows import WindowTokenizer


def gpu_present() -> bool:
    """Whether torch sees a GPU that it can use."""
    return torch.cuda.is_available()


class TorchEngine(TwoHeadedEngine):
    """The same weights as the CPU engine's, unquantised."""

    def __init__(
        self,
        folder: Path,
        model_version: str,
        calibration: Calibration,
        token_budget: int = 16_384,
        texts_at_once: int = 4096,
        device: str | None = None,
    ) -> None:
        tokenizer = WindowTokenizer(folder / "tokenizer.json")
        super().__init__(model_version, tokenizer, calibration, token_budget, texts_at_once)
        self._device = torch.device(device or ("cuda" if gpu_present() else "cpu"))
        network = TwoHeadedBert.load(folder)
        on_gpu = self._device.type == "cuda"
        self._network = network.to(self._device, torch.float16 if on_gpu else torch.float32).eval()

    def _start(self, batches: Sequence[Ids]) -> Sequence[Pending]:
        return [self._queue(batch) for batch in batches]

    @torch.inference_mode()
    def _queue(self, batch: Ids) -> Pending:
        """A GPU only takes the work in here; it is done when the result is fetched."""
        ids = torch.from_numpy(batch).to(self._device, non_blocking=True)
        topic, sentiment = self._network(ids)
        return lambda: (topic.float().cpu().numpy(), sentiment.float().cpu().numpy())
