"""A network of a few thousand weights over a vocabulary of a few words, and rows it can learn."""

import random

import pytest

torch = pytest.importorskip("torch", reason="training comes with the extra [train]")
import numpy as np  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from tokenizers.models import WordLevel  # noqa: E402
from tokenizers.pre_tokenizers import Whitespace  # noqa: E402
from tokenizers.processors import TemplateProcessing  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402

from trainer.clusters import signatures  # noqa: E402
from trainer.datasets import Example, examples  # noqa: E402
from trainer.material import Material  # noqa: E402
from trainer.recipe import Recipe  # noqa: E402

WORDS = (
    "bank shares fall plunge loss gain rise surge profit record oil gold rate cut raise".split()  # noqa: SIM905
)
RECIPE = Recipe(epochs=12, learning_rate=3e-3, batch_size=16, dropout=0.0, noise_share=0.0)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    vocabulary = {
        word: index for index, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS])
    }
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    torch.manual_seed(3)
    config.save_pretrained(folder)
    model = BertModel(config, add_pooling_layer=False)
    save_file(dict(model.state_dict()), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def rows():
    rng = random.Random(5)
    made = []
    for number in range(400):
        bad = number % 2 == 0
        text = " ".join(rng.sample(WORDS[2:5] if bad else WORDS[5:10], 2) + rng.sample(WORDS, 2))
        row = {"text": text, "sentiment": "negative" if bad else "positive"}
        if number % 3 == 0:
            row["topic"] = "Stock Movement" if bad else "Earnings"
        made.append(row)
    return made


@pytest.fixture(scope="session")
def recipe():
    return RECIPE


@pytest.fixture(scope="session")
def material(rows):
    labelled = list(examples(rows))
    return Material(
        labelled=labelled,
        own=10,
        fold=np.arange(len(labelled)) % 2,
        unlabelled=[Example("bank shares fall", None, None), Example("oil profit", None, None)],
        held_out={"made": rows},
        trained_on=signatures([example.text for example in labelled]),
        left_out={"copies": 0},
        hashes={"made": "0"},
    )
