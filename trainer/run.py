"""From a folder of data to a version in the registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classifier.registry import Registry
from trainer.finetune import input_statistics
from trainer.material import gather
from trainer.recipe import Recipe
from trainer.training import Told, Training
from trainer.version import write_version

_MEASURED_TEXTS = 1200


def run(
    data: Path,
    models: Path,
    version: str,
    recipe: Recipe,
    base: Path,
    work: Path,
    told: Told,
    promote: bool,
) -> Mapping[str, Any]:
    """Gather, train, write ``version`` and name it champion; its manifest.

    Raises OSError if a set is absent or the disk is full, ValueError if the training fails, and
    trainer.version.Refused if the version may not be served. Nothing that serves is touched
    before the version is whole.
    """
    if (models / version).exists():
        raise ValueError(f"there is a version {version} in {models}: versions never change")
    material = gather(data, recipe.teachers, recipe.judged_weight, recipe.unlabelled)
    training = Training(base, recipe, work, told)
    network = training.student(material)
    texts = [example.text for example in material.labelled]
    sample = texts[:: max(1, len(texts) // _MEASURED_TEXTS)]
    inputs = input_statistics(network, sample, training.tokenizer())
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    manifest = write_version(models / version, weights, inputs, base, recipe, material)
    if promote:
        Registry(models).promote(version)
    return manifest
