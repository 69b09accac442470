"""Transformers' own pipeline over a version's weights."""

from pathlib import Path

from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

from classifier.labels import CONVENTIONS, SENTIMENTS, TOPICS

ROWS = 32
LABELS = {"topic": TOPICS, "sentiment": SENTIMENTS * len(CONVENTIONS)}


def head_pipeline(folder: Path, head: str):
    """Transformers' own pipeline over the same encoder and one head.

    For its speed alone: it does the work of a fine-tuned BERT, but reads the first token through
    a pooler that nobody trained, so its answers are worth nothing. Of sentiments it names the
    likeliest under the likeliest convention.
    """
    weights = load_file(folder / "model.safetensors")
    config = BertConfig.from_pretrained(folder, num_labels=len(LABELS[head]))
    config.id2label = dict(enumerate(LABELS[head]))
    model = BertForSequenceClassification(config)
    encoder = {k.removeprefix("encoder."): v.float() for k, v in weights.items()}
    model.bert.load_state_dict(encoder, strict=False)
    model.classifier.weight.data = weights[f"{head}.weight"].float()
    model.classifier.bias.data = weights[f"{head}.bias"].float()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(folder / "tokenizer.json")),
        pad_token="[PAD]",
        model_max_length=128,
    )
    return pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, batch_size=ROWS)
