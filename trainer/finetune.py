"""Fine-tuning, from top to bottom: data in, averaged weights out."""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional as nn
from transformers import BertConfig

from classifier.labels import NEGATIVE, SENTIMENTS
from classifier.network import TwoHeadedBert
from trainer.datasets import Example, with_noise
from trainer.recipe import Recipe

Progress = Callable[[int, int, float], None]


def load_base(folder: Path, dropout: float) -> TwoHeadedBert:
    """The two-headed network over the pretrained encoder in ``folder``, heads fresh."""
    config = BertConfig.from_pretrained(folder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    network = TwoHeadedBert(config, dropout)
    weights = load_file(folder / "model.safetensors")
    weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    missing, _ = network.encoder.load_state_dict(weights, strict=False)
    if lost := [name for name in missing if "position_ids" not in name]:
        raise ValueError(f"{folder} is not a BERT checkpoint: no weights for {lost[:3]}")
    return network


def _parameter_groups(network: TwoHeadedBert, recipe: Recipe) -> list[dict[str, object]]:
    """One group a depth and kind: lower layers learn more slowly, biases do not decay."""
    layers = network.encoder.config.num_hidden_layers
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not name.startswith("encoder."):
            depth = 0
        elif ".layer." in name:
            depth = layers - int(name.split(".layer.")[1].split(".")[0])
        else:
            depth = layers + 1
        rate = recipe.learning_rate * recipe.layer_decay**depth
        decay = recipe.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _batches(
    data: list[Example], recipe: Recipe, rng: random.Random, tokenizer: Tokenizer
) -> Iterator[tuple[torch.Tensor, torch.Tensor, list[Example]]]:
    """One epoch in random order, in batches of similar length so that little is padding."""
    order = list(range(len(data)))
    rng.shuffle(order)
    pool = recipe.batch_size * 50
    batches: list[list[tuple[list[int], Example]]] = []
    for start in range(0, len(order), pool):
        rows = [data[i] for i in order[start : start + pool]]
        texts = [
            with_noise(row.text, rng) if rng.random() < recipe.noise_share else row.text
            for row in rows
        ]
        encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        paired = sorted(zip(encoded, rows, strict=True), key=lambda pair: len(pair[0]))
        batches += [
            paired[i : i + recipe.batch_size] for i in range(0, len(paired), recipe.batch_size)
        ]
    rng.shuffle(batches)
    for batch in batches:
        width = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in batch])
        yield ids, mask, [example for _, example in batch]


def _head_loss(
    logits: torch.Tensor,
    targets: list[tuple[float, ...] | None],
    weights: list[float],
    smoothing: float,
    class_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over the batch of the weighted cross-entropy of the rows that have a target."""
    rows = [i for i, target in enumerate(targets) if target is not None]
    if not rows:
        return logits.new_zeros(())
    losses = nn.cross_entropy(
        logits[rows].float(),
        torch.tensor([targets[i] for i in rows]),
        weight=class_weight,
        label_smoothing=smoothing,
        reduction="none",
    )
    return (losses * torch.tensor([weights[i] for i in rows])).sum() / len(targets)


def _loss(
    topic: torch.Tensor, sentiment: torch.Tensor, batch: list[Example], recipe: Recipe
) -> torch.Tensor:
    """The sum of both heads' losses."""
    class_weight = torch.ones(len(SENTIMENTS))
    class_weight[NEGATIVE] = recipe.negative_weight
    smoothing = recipe.label_smoothing
    return _head_loss(
        topic, [row.topic for row in batch], [row.topic_weight for row in batch], smoothing
    ) + _head_loss(
        sentiment,
        [row.sentiment for row in batch],
        [row.sentiment_weight for row in batch],
        smoothing,
        class_weight,
    )


def finetune(
    network: TwoHeadedBert,
    data: list[Example],
    tokenizer: Tokenizer,
    recipe: Recipe,
    progress: Progress = lambda step, steps, loss: None,
) -> TwoHeadedBert:
    """Train ``network`` in place on ``data`` and return it with its averaged weights.

    Raises ValueError if the loss stops being a number.
    """
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe), fused=True)
    steps = recipe.epochs * math.ceil(len(data) / recipe.batch_size)
    warmup = max(1, int(steps * recipe.warmup_share))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / steps))
    )
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=ema)
    network.train()
    step = 0
    for _ in range(recipe.epochs):
        for ids, mask, batch in _batches(data, recipe, rng, tokenizer):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                topic, sentiment = network(ids, mask)
            loss = _loss(topic, sentiment, batch, recipe)
            if not torch.isfinite(loss):
                raise ValueError(f"the loss is {loss.item()} at step {step} of {steps}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            step += 1
            progress(step, steps, loss.item())
    network.load_state_dict(average.module.state_dict())
    return network.eval()


def input_magnitudes(
    network: TwoHeadedBert, texts: list[str], tokenizer: Tokenizer
) -> dict[str, NDArray[np.float32]]:
    """The largest magnitude of each input channel of each linear layer of the encoder."""
    seen: dict[str, torch.Tensor] = {}

    def watch(name: str) -> Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], None]:
        def note(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            greatest = inputs[0].abs().flatten(0, -2).amax(0)
            seen[name] = torch.maximum(seen.get(name, greatest), greatest)

        return note

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("encoder.")
    ]
    with torch.inference_mode():
        for encoding in tokenizer.encode_batch(texts):
            network(torch.tensor([encoding.ids]))
    for hook in hooks:
        hook.remove()
    return {name: greatest.numpy() for name, greatest in seen.items()}
