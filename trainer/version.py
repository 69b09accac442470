"""A trained network becomes a version folder: exported, calibrated, compared, described."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from classifier.engine import Calibration, Engine
from classifier.labels import SENTIMENTS, TOPICS
from classifier.onnx_engine import OnnxEngine
from classifier.torch_engine import TorchEngine
from trainer.calibration import Floats, fit_temperature
from trainer.datasets import served_text
from trainer.evaluation import LABELS, probabilities, score
from trainer.export import Array, export_onnx
from trainer.recipe import Recipe

Rows = Sequence[Mapping[str, object]]

AGREEMENT = 0.995
STRENGTHS = (0.5, 0.55, 0.6, 0.65, 0.45)  # of the smoothing: the one that agrees best is kept


class Refused(ValueError):
    """A version that must not be served, and why."""


def write_version(
    target: Path,
    weights: Mapping[str, Array],
    magnitudes: Mapping[str, Array],
    base: Path,
    recipe: Recipe,
    dev: Mapping[str, Rows],
    data_hashes: Mapping[str, str],
) -> dict[str, object]:
    """Write ``target`` whole and return its manifest. ``dev`` maps a set's name to its rows.

    Raises Refused if the CPU engine and torch disagree on more than one row in two hundred.
    The folder appears under its name only when the manifest, written last, is in it.
    """
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copy(base / "tokenizer.json", partial)
    config = json.loads((base / "config.json").read_text())
    (partial / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(
        {name: np.ascontiguousarray(value, np.float16) for name, value in weights.items()},
        partial / "model.safetensors",
    )
    heads = config["num_attention_heads"]

    def export(strength: float) -> None:
        export_onnx(weights, heads, magnitudes, strength, partial / "model.onnx")

    best, agreement = _best_strength(export, lambda: _agreement(partial, dev))
    export(best)
    calibration = _calibrate(OnnxEngine(partial, target.name, Calibration(), threads=2), dev)
    served = OnnxEngine(partial, target.name, calibration, threads=2)
    manifest: dict[str, object] = {
        "version": target.name,
        "labels": {"topic": list(TOPICS), "sentiment": list(SENTIMENTS)},
        "calibration": asdict(calibration),
        "recipe": recipe.as_dict(),
        "data_sha256": dict(data_hashes),
        "licence": "Apache-2.0 (encoder: all-MiniLM-L6-v2, Apache-2.0; training data: MIT)",
        "engine_agreement": agreement,
        "smoothing_strength": best,
        "metrics": _metrics(served, dev),
        "files_sha256": {file.name: _sha256(file) for file in sorted(partial.iterdir())},
    }
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    os.rename(partial, target)
    return manifest


def _metrics(engine: Engine, dev: Mapping[str, Rows]) -> dict[str, dict[str, object]]:
    """The scores of each set for each head that it labels, as "set/head"."""
    return {
        f"{name}/{head}": asdict(score(engine, rows, head))
        for name, rows in dev.items()
        for head in LABELS
        if any(row.get(head) is not None for row in rows)
    }


def _best_strength(
    export: Callable[[float], None], agreement: Callable[[], dict[str, float]]
) -> tuple[float, dict[str, float]]:
    """The smoothing whose export agrees best with torch, and by how much. Raises Refused."""
    tried = {}
    for strength in STRENGTHS:
        export(strength)
        tried[strength] = agreement()
    best = max(STRENGTHS, key=lambda strength: min(tried[strength].values()))
    if min(tried[best].values()) < AGREEMENT:
        raise Refused(f"the CPU engine and torch agree on too few rows: {tried}")
    return best, tried[best]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _calibrate(engine: Engine, dev: Mapping[str, Rows]) -> Calibration:
    """Temperatures fitted on the rows of all development sets together."""
    fitted = {}
    for head, labels in LABELS.items():
        rows = [row for rows in dev.values() for row in rows if row.get(head) is not None]
        predictions = engine.classify([served_text(row) for row in rows])
        # The logarithm of a softmax is its logits up to a constant a row, which cancels.
        logits: Floats = np.array(
            [[math.log(max(p, 1e-12)) for p in probabilities(one, head)] for one in predictions]
        )
        truth = [labels.index(str(row[head])) for row in rows]
        fitted[f"{head}_temperature"] = round(fit_temperature(logits, truth), 4)
    return Calibration(**fitted)


def _agreement(folder: Path, dev: Mapping[str, Rows]) -> dict[str, float]:
    """The share of labelled rows to which both engines give the same label, by head."""
    ours: Engine = OnnxEngine(folder, "candidate", Calibration(), threads=2)
    reference: Engine = TorchEngine(folder, "candidate", Calibration())
    shares = {}
    for head in LABELS:
        rows = [row for rows in dev.values() for row in rows if row.get(head) is not None]
        texts = [served_text(row) for row in rows]
        pairs = zip(ours.classify(texts), reference.classify(texts), strict=True)
        same = [
            np.argmax(probabilities(a, head)) == np.argmax(probabilities(b, head)) for a, b in pairs
        ]
        shares[head] = round(sum(map(bool, same)) / len(same), 4)
    return shares
