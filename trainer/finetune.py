"""Fine-tuning, from top to bottom: data in, averaged weights out."""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional as nn
from transformers import BertConfig

from classifier.labels import CONVENTIONS, NEGATIVE, SENTIMENTS
from classifier.network import TwoHeadedBert
from trainer.checkpoint import Checkpoint
from trainer.datasets import Example, with_noise
from trainer.recipe import Recipe
from trainer.statistics import Gathered

Progress = Callable[[int, int, float], None]


def load_base(folder: Path, dropout: float) -> TwoHeadedBert:
    """The two-headed network over the pretrained encoder in ``folder``, heads fresh."""
    config = BertConfig.from_pretrained(folder)
    # Drawing the attention's dropout took a tenth of a step on a CPU and gained nothing.
    config.hidden_dropout_prob, config.attention_probs_dropout_prob = dropout, 0.0
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
    smoothing: float = 0.0,
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
    """The sum of the losses: topic, sentiment under its row's convention, manner of the text."""
    class_weight = torch.ones(len(SENTIMENTS))
    class_weight[NEGATIVE] = recipe.negative_weight
    smoothing = recipe.label_smoothing
    by_convention = sentiment.float().view(-1, len(CONVENTIONS), len(SENTIMENTS))
    under_its_own = by_convention[torch.arange(len(batch)), [row.convention for row in batch]]
    manner = nn.cross_entropy(
        by_convention.logsumexp(dim=2),
        torch.tensor([row.manner for row in batch]),
        reduction="none",
    )
    manner = (manner * torch.tensor([row.manner_weight for row in batch])).mean()
    topic_loss = _head_loss(
        topic, [row.topic for row in batch], [row.topic_weight for row in batch], smoothing
    )
    sentiment_loss = _head_loss(
        under_its_own,
        [row.sentiment for row in batch],
        [row.sentiment_weight for row in batch],
        smoothing,
        class_weight,
    )
    return topic_loss + sentiment_loss + recipe.manner_weight * manner


def _pace(step: int, steps: int, warmup_share: float) -> float:
    """The share of the full learning rate at ``step``: up in a line, then down in a line."""
    warmup = max(1, int(steps * warmup_share))
    return min((step + 1) / warmup, (steps - step) / steps)


def finetune(
    network: TwoHeadedBert,
    data: list[Example],
    tokenizer: Tokenizer,
    recipe: Recipe,
    progress: Progress = lambda step, steps, loss: None,
    checkpoint: Checkpoint | None = None,
) -> TwoHeadedBert:
    """Train ``network`` in place on ``data`` and return it with its averaged weights.

    With a ``checkpoint`` the run goes on from there, to the same weights to the bit as a run
    that was never cut off. Raises ValueError if the loss stops being a number.
    """
    torch.manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe), fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    parameters = list(network.parameters())
    average = [parameter.detach().clone() for parameter in parameters]
    an_epoch = math.ceil(len(data) / recipe.batch_size)
    steps = recipe.epochs * an_epoch
    done = checkpoint.load(network, average, optimizer) if checkpoint else 0
    network.train()
    for epoch in range(done // an_epoch, recipe.epochs):
        rng = random.Random(f"{recipe.seed} {epoch}")
        batches = _batches(data, recipe, rng, tokenizer)
        for step, (ids, mask, batch) in enumerate(batches, start=epoch * an_epoch):
            if step < done:
                continue
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * _pace(step, steps, recipe.warmup_share)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                topic, sentiment = network(ids, mask)
            loss = _loss(topic, sentiment, batch, recipe)
            if not torch.isfinite(loss):
                raise ValueError(f"the loss is {loss.item()} at step {step} of {steps}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - recipe.ema)
            if checkpoint:
                checkpoint.save_if_due(step + 1, network, average, optimizer)
            progress(step + 1, steps, loss.item())
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)
    return network.eval()


def input_statistics(
    network: TwoHeadedBert, texts: list[str], tokenizer: Tokenizer
) -> dict[str, Gathered]:
    """What the inputs of each linear layer of the encoder look like over ``texts``.

    The key and value projections read what the query's reads, and are left out.
    """
    seen: dict[str, Gathered] = {}

    def watch(name: str) -> Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], None]:
        seen[name] = Gathered()

        def note(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[name].note(inputs[0].flatten(0, -2).numpy())

        return note

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.startswith("encoder.")
        and not name.endswith(("key", "value"))
    ]
    with torch.inference_mode():
        for encoding in tokenizer.encode_batch(texts):
            network(torch.tensor([encoding.ids]))
    for hook in hooks:
        hook.remove()
    return seen
