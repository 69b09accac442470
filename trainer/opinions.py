"""What a trained network thinks of texts: distributions for the student to learn from."""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer

from classifier.labels import CONVENTIONS, SENTIMENTS
from classifier.network import TwoHeadedBert
from trainer.datasets import Opinion

_AT_ONCE = 64


@torch.inference_mode()
def opinions(network: TwoHeadedBert, texts: Sequence[str], tokenizer: Tokenizer) -> list[Opinion]:
    """The network's distributions for each text, in order."""
    network.eval()
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    found: dict[int, Opinion] = {}
    for start in range(0, len(order), _AT_ONCE):
        batch = order[start : start + _AT_ONCE]
        width = max(len(encoded[i]) for i in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(batch):
            ids[row, : len(encoded[i])] = torch.tensor(encoded[i])
            mask[row, : len(encoded[i])] = 1
        with torch.autocast("cpu", dtype=torch.bfloat16):
            topic, sentiment = network(ids, mask)
        by_convention = sentiment.view(-1, len(CONVENTIONS), len(SENTIMENTS))
        pairs = zip(_shares(topic), _shares(by_convention), strict=True)
        found |= {
            i: Opinion(tuple(one), tuple(map(tuple, other)))
            for i, (one, other) in zip(batch, pairs, strict=True)
        }
    return [found[i] for i in range(len(encoded))]


def _shares(logits: torch.Tensor) -> Any:
    return logits.float().softmax(dim=-1).tolist()


def mean(several: Sequence[Opinion]) -> Opinion:
    """The middle of several teachers' opinions of one text."""

    def middle(rows: list[tuple[float, ...]]) -> tuple[float, ...]:
        return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))

    by_convention = zip(*(one.sentiment for one in several), strict=True)
    return Opinion(
        middle([one.topic for one in several]),
        tuple(middle(list(views)) for views in by_convention),
    )
