"""The two-headed BERT as a torch module: one encoder pass, mean pooling, two linear heads."""

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from classifier.labels import CONVENTIONS, SENTIMENTS, TOPICS


class TwoHeadedBert(torch.nn.Module):
    """A BERT encoder whose pooled output feeds a topic head and a sentiment head."""

    def __init__(self, config: BertConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.dropout = torch.nn.Dropout(dropout)
        self.topic = torch.nn.Linear(config.hidden_size, len(TOPICS))
        self.sentiment = torch.nn.Linear(config.hidden_size, len(CONVENTIONS) * len(SENTIMENTS))

    @classmethod
    def load(cls, folder: Path) -> "TwoHeadedBert":
        """The network of a version folder, in full precision."""
        network = cls(BertConfig.from_pretrained(folder))
        network.load_state_dict(load_file(folder / "model.safetensors"))
        return network

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits for ``ids`` of shape (documents, tokens).

        ``mask`` is 1 where there is a token and may be left out where no row is padded.
        Returns topic logits (documents, 20) and sentiment logits (documents, 9): three
        sentiments under the first convention, then under the next.
        """
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        if mask is None:
            pooled = hidden.mean(dim=1)
        else:
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        pooled = self.dropout(pooled)
        return cast(torch.Tensor, self.topic(pooled)), cast(torch.Tensor, self.sentiment(pooled))
