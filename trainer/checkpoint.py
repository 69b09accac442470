"""A training run that was cut off goes on where its last checkpoint was written."""

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from classifier.network import TwoHeadedBert

Tensors = dict[str, torch.Tensor]


class Checkpoint:
    """One file, replaced at once, with all that a run changes.

    That is: weights, their average, the optimizer's moments, the state of torch's random
    numbers, the step. ``run`` names the run (recipe and data): a file of another run is not
    gone on with.
    """

    def __init__(self, file: Path, run: str, every: int = 200) -> None:
        self._file = file
        self._run = run
        self._every = every

    def load(
        self, network: TwoHeadedBert, average: list[torch.Tensor], optimizer: torch.optim.Optimizer
    ) -> int:
        """Bring everything to where it was; the number of steps done, 0 if there is no file."""
        if not self._file.exists():
            return 0
        with safe_open(self._file, "pt") as file:
            if (file.metadata() or {}).get("run") != self._run:
                return 0
            kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network.load_state_dict(_under("network.", kept))
        for position, mean in enumerate(average):
            mean.copy_(kept[f"average.{position}"])
        state = optimizer.state_dict()
        positions = [i for group in state["param_groups"] for i in group["params"]]
        state["state"] = {i: _under(f"optimizer.{i}.", kept) for i in positions}
        optimizer.load_state_dict(state)
        torch.set_rng_state(kept["random"])
        return int(kept["step"].item())

    def save_if_due(
        self,
        step: int,
        network: TwoHeadedBert,
        average: list[torch.Tensor],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Write the state after ``step`` steps, every so often."""
        if step % self._every:
            return
        kept: Tensors = {f"network.{n}": value for n, value in network.state_dict().items()}
        kept |= {f"average.{position}": mean for position, mean in enumerate(average)}
        for number, moments in optimizer.state_dict()["state"].items():
            kept |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
        kept["random"] = torch.get_rng_state()
        kept["step"] = torch.tensor(step)
        fresh = self._file.with_suffix(".partial")
        save_file(kept, fresh, {"run": self._run})
        os.replace(fresh, self._file)

    def clear(self) -> None:
        """The run is over and its result is kept elsewhere."""
        self._file.unlink(missing_ok=True)


def _under(prefix: str, kept: Tensors) -> Tensors:
    return {n.removeprefix(prefix): value for n, value in kept.items() if n.startswith(prefix)}
