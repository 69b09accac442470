"""A trained network becomes a version folder: exported, compared, calibrated, described."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from classifier.engine import Calibration, Prediction
from classifier.labels import SENTIMENTS, TOPICS
from classifier.onnx_engine import OnnxEngine
from classifier.parity import Parity, probes
from classifier.torch_engine import TorchEngine
from trainer.card import write_card
from trainer.clusters import save_trained_on
from trainer.datasets import read_rows
from trainer.evaluation import LABELS, Answers, evaluate, table_of
from trainer.graph import write_graph
from trainer.material import CORPUS, Material
from trainer.recipe import MANNER_PRIOR, Recipe
from trainer.scorecard import Scorecard
from trainer.statistics import Array, Gathered
from trainer.temperatures import Fitted, Rows, fit, joined

OUTSIDE = (5e-5, 2e-5, 1e-4, 0.0)  # shares of the inputs that the integers' range leaves out
PACKAGES = ("torch", "transformers", "onnxruntime", "onnx", "numpy", "tokenizers")


class Refused(ValueError):
    """A version that must not be served, and why."""


def write_version(
    target: Path,
    weights: Mapping[str, Array],
    inputs: Mapping[str, Gathered],
    base: Path,
    recipe: Recipe,
    material: Material,
) -> dict[str, Any]:
    """Write ``target`` whole and return its manifest.

    Raises Refused if the CPU engine and torch disagree on more than one row in two hundred, or
    the CPU engine is less accurate by more than 0.3 points. The folder appears under its name
    only when the manifest, written last, is in it.
    """
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    heads = _write_network(partial, weights, base)
    save_trained_on(partial, material.trained_on)
    trained = TorchEngine(partial, target.name, Calibration())

    def export(outside: float) -> Answers:
        ranges = {name: one.inputs(outside) for name, one in inputs.items()}
        write_graph(weights, heads, ranges, partial / "model.onnx")
        return Answers.of(_on_cpu(partial, target.name, Calibration()), material.held_out)

    reference = Answers.of(trained, material.held_out)
    outside, compared, answers = good_export(export, reference)
    fitted = _calibrated(answers)
    served = _on_cpu(partial, target.name, fitted.calibration)
    scorecards = _scorecards(Answers.of(served, material.held_out), target.name)
    manifest = {
        **_origin(target.name, recipe, material),
        "calibration": asdict(fitted.calibration),
        "engine_agreement": compared.agreement,
        "engine_accuracy_loss": compared.accuracy_loss,
        "outside_the_grid": outside,
        "calibration_error_crossed": fitted.crossed_error,
        "metrics": {f"{card.name}/{card.head}": summary(card) for card in scorecards},
        "probes": probes(_probe_texts(), served, trained),
    }
    write_card(partial, manifest, scorecards)
    manifest["files_sha256"] = {
        str(file.relative_to(partial)): _sha256(file)
        for file in sorted(partial.rglob("*"))
        if file.is_file()
    }
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    os.rename(partial, target)
    return manifest


def _write_network(folder: Path, weights: Mapping[str, Array], base: Path) -> int:
    """Write what torch serves into ``folder``; the number of attention heads."""
    shutil.copy(base / "tokenizer.json", folder)
    config = json.loads((base / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(
        {name: np.ascontiguousarray(value, np.float16) for name, value in weights.items()},
        folder / "model.safetensors",
    )
    (folder / "model.safetensors").chmod(0o644)  # the library lets nobody else read it
    return int(config["num_attention_heads"])


def _on_cpu(folder: Path, version: str, calibration: Calibration) -> OnnxEngine:
    return OnnxEngine(folder, version, calibration, threads=2)


def _origin(version: str, recipe: Recipe, material: Material) -> dict[str, Any]:
    """What a manifest says of where the version comes from."""
    return {
        "version": version,
        "labels": {"topic": list(TOPICS), "sentiment": list(SENTIMENTS)},
        "recipe": recipe.as_dict(),
        "manner_prior": MANNER_PRIOR,
        "data_sha256": material.hashes,
        "left_out": material.left_out,
        "licence": "Apache-2.0 (encoder: all-MiniLM-L6-v2, Apache-2.0; training data: see NOTICE)",
        "environment": {
            "python": platform.python_version(),
            **{package: installed(package) for package in PACKAGES},
        },
    }


def summary(card: Scorecard) -> dict[str, Any]:
    """The figures of a scorecard that a manifest keeps."""
    return {
        "rows": card.rows,
        "accuracy": round(card.accuracy.value, 4),
        "macro_f1": round(card.macro_f1.value, 4),
        "macro_roc_auc": None if card.macro_roc_auc is None else round(card.macro_roc_auc, 4),
        "recall": {one.label: round(one.recall, 4) for one in card.labels},
        "calibration_error": round(card.calibration_error.value, 4),
    }


def parity(ours: Answers, reference: Answers) -> Parity:
    """Compare two engines' answers to the same rows."""
    agreement, loss = {}, {}
    for head in LABELS:
        mine, truth = ours.guesses(head)
        theirs, _ = reference.guesses(head)
        if not truth:
            continue
        rows = list(zip(mine, theirs, truth, strict=True))
        agreement[head] = round(sum(a == b for a, b, _ in rows) / len(rows), 4)
        lost = sum((b == label) - (a == label) for a, b, label in rows)
        loss[head] = round(lost / len(rows), 4)
    return Parity(agreement, loss)


def good_export(
    export: Callable[[float], Answers], reference: Answers
) -> tuple[float, Parity, Answers]:
    """Export with the first grid that is alike enough; its share outside, how alike, its answers.

    The grids are equally good on average (docs/decisions/0009), but near ties fall differently.
    Raises Refused if none is alike enough.
    """
    tried: dict[float, Parity] = {}
    for outside in OUTSIDE:
        answers = export(outside)
        tried[outside] = parity(answers, reference)
        if tried[outside].fault is None:
            return outside, tried[outside], answers
    raise Refused(f"the CPU engine and torch are not enough alike: {tried}")


def _calibrated(answers: Answers) -> Fitted:
    topic = [_rows("topic", *pair) for pair in answers.labelled("topic").values()]
    sentiment = answers.labelled("sentiment")
    return fit(joined(topic), {name: _rows("sentiment", *pair) for name, pair in sentiment.items()})


def _rows(head: str, predictions: list[Prediction], labels: list[str]) -> Rows:
    # The logarithm of a softmax is its logits up to a constant a row, which cancels.
    return Rows(
        np.log(np.maximum(table_of(predictions, head), 1e-12)),
        np.array([LABELS[head].index(label) for label in labels]),
        np.array([TOPICS.index(one.topic) for one in predictions]),
    )


def _scorecards(answers: Answers, version: str) -> list[Scorecard]:
    """One for each set and head that it labels."""
    return [
        evaluate(name, head, predictions, labels, model_version=version).all_rows
        for head in LABELS
        for name, (predictions, labels) in answers.labelled(head).items()
    ]


def _probe_texts() -> list[str]:
    """Some of this project's own sentences, of every style."""
    return [str(row["text"]) for row in read_rows(CORPUS / "sentences.jsonl")][::40]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
