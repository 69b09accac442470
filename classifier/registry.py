"""Versions of the model as immutable folders, and the pointer to the one that serves."""

import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from classifier.engine import Calibration, Engine
from classifier.labels import SENTIMENTS, TOPICS
from classifier.parity import Parity, Probe, agreement

EngineChoice = Literal["auto", "onnx", "torch"]

SHIPPED = Path(__file__).parent / "models"


class ModelProblem(ValueError):
    """A version folder that cannot be served, and why."""


@dataclass(frozen=True)
class Manifest:
    """What a version says of itself."""

    version: str
    calibration: Calibration
    parity: Parity
    probes: Sequence[Probe]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version folder. Raises ModelProblem if it is absent, torn or foreign.

    The manifest is written last: a folder without one is a version that was never finished.
    """
    try:
        content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        labels = content["labels"]
        manifest = Manifest(
            content["version"],
            Calibration(**content["calibration"]),
            Parity(content["engine_agreement"], content["engine_accuracy_loss"]),
            content["probes"],
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelProblem(f"{folder} is not a complete model version: {problem}") from problem
    if labels != {"topic": list(TOPICS), "sentiment": list(SENTIMENTS)}:
        raise ModelProblem(f"{folder} was trained for other labels than this program's")
    return manifest


class Registry:
    """A folder of version folders and a file ``champion`` that names the serving one."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self._folder = folder

    def versions(self) -> list[str]:
        """The complete versions, by name."""
        return sorted(file.parent.name for file in self._folder.glob("*/manifest.json"))

    def champion(self) -> Path:
        """The folder of the serving version. Raises ModelProblem if none is named."""
        pointer = self._folder / "champion"
        try:
            name = pointer.read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise ModelProblem(f"no champion is named in {pointer}: {problem}") from problem
        return self._folder / name

    def promote(self, version: str) -> None:
        """Make ``version`` the champion, at once and for all readers. Raises ModelProblem."""
        read_manifest(self._folder / version)
        fresh = self._folder / f".champion-{os.getpid()}"
        fresh.write_text(version + "\n", encoding="utf-8")
        os.replace(fresh, self._folder / "champion")


def open_engine(folder: Path, choice: EngineChoice = "auto", threads: int | None = None) -> Engine:
    """The engine for a version folder: torch where it has a GPU, ONNX Runtime elsewhere.

    Raises ModelProblem if the folder is not a complete version for these labels, or the engine
    does not answer as the network that was trained (see classifier.parity).
    """
    manifest = read_manifest(folder)
    engine = _engine(folder, manifest, choice, threads)
    asked = Parity({"probes": agreement(engine, manifest.probes)}, {})
    if fault := manifest.parity.fault or asked.fault:
        raise ModelProblem(f"{folder}: {fault}")
    return engine


def _engine(folder: Path, manifest: Manifest, choice: EngineChoice, threads: int | None) -> Engine:
    if choice == "torch" or (choice == "auto" and _torch_sees_a_gpu()):
        from classifier.torch_engine import TorchEngine  # torch is an extra

        return TorchEngine(folder, manifest.version, manifest.calibration)
    from classifier.onnx_engine import OnnxEngine  # not loaded where torch serves

    cores = threads or len(os.sched_getaffinity(0))
    return OnnxEngine(folder, manifest.version, manifest.calibration, cores)


def _torch_sees_a_gpu() -> bool:
    if not importlib.util.find_spec("torch") or not importlib.util.find_spec("transformers"):
        return False
    from classifier.torch_engine import gpu_present  # torch is an extra

    return gpu_present()
