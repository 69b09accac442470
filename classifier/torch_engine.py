"""The torch engine: half precision on a GPU where there is one, full precision on a CPU."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig

from classifier.engine import Calibration
from classifier.network import TwoHeadedBert
from classifier.two_headed import Logits, TwoHeadedEngine
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
        device: str | None = None,
    ) -> None:
        tokenizer = WindowTokenizer(folder / "tokenizer.json")
        super().__init__(model_version, tokenizer, calibration, token_budget)
        self._device = torch.device(device or ("cuda" if gpu_present() else "cpu"))
        network = TwoHeadedBert(BertConfig.from_pretrained(folder))
        network.load_state_dict(load_file(folder / "model.safetensors"))
        on_gpu = self._device.type == "cuda"
        self._network = network.to(self._device, torch.float16 if on_gpu else torch.float32).eval()

    @torch.inference_mode()
    def _forward_all(self, batches: list[list[list[int]]]) -> list[list[Logits]]:
        # All batches are queued before the first result is fetched: the GPU never waits for us.
        queued = [self._network(torch.tensor(batch, device=self._device)) for batch in batches]
        return [
            list(zip(topic.float().tolist(), sentiment.float().tolist(), strict=True))
            for topic, sentiment in queued
        ]
