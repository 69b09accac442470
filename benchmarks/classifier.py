"""``make bench-classifier``: the CPU engine beside what else could be used, in one run.

All contenders get the same weights and texts and are interleaved; a figure is the median of the
rounds, so that a noisy machine hurts all alike. Texts: trainer/corpus/sentences.jsonl.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from benchmarks.limits import eight_bit_tokens_a_second, torch_tokens_a_second
from benchmarks.pipelines import ROWS, head_pipeline
from classifier.batching import equal_length_batches
from classifier.engine import Calibration
from classifier.network import TwoHeadedBert
from classifier.onnx_engine import TOKEN_BUDGET, OnnxEngine, open_session
from classifier.registry import Registry
from classifier.windows import WindowTokenizer

CORPUS = Path(__file__).parents[1] / "trainer/corpus/sentences.jsonl"
OURS = "ours: engine.classify"
CORES = len(os.sched_getaffinity(0))
Seconds = float


def plain_torch(folder: Path, kind: torch.dtype) -> Callable[[list[str]], None]:
    """Both heads in one pass, padded batches of texts of similar length."""
    network = TwoHeadedBert.load(folder).to(kind).eval()
    tokenizer = WindowTokenizer(folder / "tokenizer.json")

    @torch.inference_mode()
    def classify(texts: list[str]) -> None:
        rows = sorted((windows[0] for windows in tokenizer.windows(texts)), key=len)
        for start in range(0, len(rows), ROWS):
            batch = rows[start : start + ROWS]
            width = len(batch[-1])
            ids = torch.tensor([row + [0] * (width - len(row)) for row in batch])
            network(ids, (torch.arange(width) < torch.tensor([[len(row)] for row in batch])).long())

    return classify


def ready_batches(folder: Path, texts: list[str]) -> Callable[[list[str]], None]:
    """The bare graph on batches that were made beforehand, as many at once as there are cores."""
    session = open_session(folder / "model.onnx")
    tokenizer = WindowTokenizer(folder / "tokenizer.json")
    flat = [window for windows in tokenizer.windows(texts) for window in windows]
    cut = equal_length_batches([len(window) for window in flat], TOKEN_BUDGET)
    batches = [np.array([flat[i] for i in batch], np.int64) for batch in cut]
    threads = ThreadPoolExecutor(CORES)

    def run(_: list[str]) -> None:
        list(threads.map(lambda batch: session.run(None, {"ids": batch}), batches))

    return run


def took(classify: Callable[[list[str]], object], texts: list[str]) -> Seconds:
    started = time.perf_counter()
    classify(texts)
    return time.perf_counter() - started


class Contenders:
    """All of them, loaded and warm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.topic, self.sentiment = (head_pipeline(folder, h) for h in ("topic", "sentiment"))
        self.fp32 = plain_torch(folder, torch.float32)
        self.bf16 = plain_torch(folder, torch.bfloat16)

    def ours(self, texts: list[str]) -> OnnxEngine:
        """A new engine, warm as the others, which has no memory of these texts."""
        engine = OnnxEngine(self.folder, "measured", Calibration(), CORES)
        engine.classify([f"- {text}" for text in texts])
        return engine

    def round(self, texts: list[str]) -> Iterator[tuple[str, Seconds]]:
        one, other = took(self.topic, texts), took(self.sentiment, texts)
        yield "transformers pipeline(batch_size=32), 1 head", one
        yield "the same, both heads", one + other
        yield "torch fp32, batches of 32 by length", took(self.fp32, texts)
        yield "torch bf16, batches of 32 by length", took(self.bf16, texts)
        ready = ready_batches(self.folder, texts)
        ready(texts)
        yield "ONNX Runtime alone, batches ready made", took(ready, texts)
        yield OURS, took(self.ours(texts).classify, texts)


def throughput(contenders: Contenders, texts: list[str], rounds: int) -> None:
    """Print documents a second of all, and the limits of the machine."""
    tokenizer = WindowTokenizer(contenders.folder / "tokenizer.json")
    tokens = statistics.mean(sum(map(len, windows)) for windows in tokenizer.windows(texts))
    seconds: dict[str, list[Seconds]] = {}
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, one in contenders.round(texts):
            seconds.setdefault(name, []).append(one)
        rates.setdefault("limit: 8-bit matrix products", []).append(
            eight_bit_tokens_a_second(CORES)
        )
        for kind in ("bfloat16", "float32"):
            rates.setdefault(f"limit: {kind} matrix products (torch)", []).append(
                torch_tokens_a_second(getattr(torch, kind))
            )
    found = {name: len(texts) / statistics.median(several) for name, several in seconds.items()}
    found |= {name: statistics.median(several) / tokens for name, several in rates.items()}
    print(f"\n{len(texts)} texts of {tokens:.1f} tokens, {rounds} rounds")
    print(f"{'':46}{'documents/s':>12}{'ours/this':>12}")
    for name, documents in found.items():
        print(f"{name:46}{documents:12,.0f}{found[OURS] / documents:12.2f}")


def latency(contenders: Contenders, texts: list[str]) -> None:
    """Print how long one document takes, alone."""
    print(f"\n{'one document at a time':46}{'p50':>12}{'p99':>12}")
    ours = contenders.ours(texts)
    both = {OURS: lambda text: ours.classify([text]), "pipeline, 1 head": contenders.topic}
    times: dict[str, list[Seconds]] = {name: [] for name in both}
    for text in texts:
        for name, classify in both.items():
            times[name].append(took(classify, text))
    for name, several in times.items():
        p50, p99 = np.percentile(several, (50, 99)) * 1000
        print(f"{name:46}{p50:9.2f} ms{p99:9.2f} ms")


def memory(folder: Path) -> None:
    """Print what a fresh process holds when it has classified its first texts."""
    print(f"\n{'resident memory of a process':46}{'MiB':>12}")
    for name, which in ((OURS, "engine"), ("pipeline, 1 head", "pipeline")):
        command = [sys.executable, "-m", "benchmarks.resident", which, str(folder)]
        held = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(f"{name:46}{int(held.split()[-1]) / 1024:12,.0f}")


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    packages = ("onnxruntime", "torch", "transformers")
    return f"{name}, {CORES} cores; " + ", ".join(f"{p} {version(p)}" for p in packages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None, help="folder of a version")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=None, help="the first so many only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(CORES)
    folder = options.model or Registry().champion()
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))[: options.texts]
    tokenizer = WindowTokenizer(folder / "tokenizer.json")
    lengths = [sum(map(len, windows)) for windows in tokenizer.windows(texts)]
    even = [text for text, tokens in zip(texts, lengths, strict=True) if 16 <= tokens <= 20]
    print(f"{folder.name} on {machine()}")
    contenders = Contenders(folder)
    list(contenders.round(texts[:64]))  # warm-up
    for chosen in (texts, even):
        throughput(contenders, chosen, options.rounds)
    latency(contenders, even[:200])
    memory(folder)


if __name__ == "__main__":
    main()
