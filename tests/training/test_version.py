"""The whole way from labelled rows to a served version, on a network of a few thousand weights."""

import json
import random

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

torch = pytest.importorskip("torch", reason="training comes with the extra [train]")
from safetensors.torch import save_file  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402

from classifier.registry import Registry, open_engine  # noqa: E402
from trainer.datasets import examples, with_noise, with_opinions  # noqa: E402
from trainer.finetune import finetune, input_magnitudes, load_base  # noqa: E402
from trainer.recipe import Recipe  # noqa: E402
from trainer.version import Refused, _best_strength, write_version  # noqa: E402

WORDS = (
    "bank shares fall plunge loss gain rise surge profit record oil gold rate cut raise".split()  # noqa: SIM905
)
RECIPE = Recipe(epochs=12, learning_rate=3e-3, batch_size=16, dropout=0.0, noise_share=0.0)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def trained(base, rows):
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    network = load_base(base, 0.0)
    finetune(network, list(examples(rows)), tokenizer, RECIPE)
    return network, input_magnitudes(network, [str(row["text"]) for row in rows], tokenizer)


def test_training_learns_and_the_version_serves_it(base, rows, trained, tmp_path):
    network, magnitudes = trained
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    manifest = write_version(
        tmp_path / "v1", weights, magnitudes, base, RECIPE, {"made": rows}, {"made": "0"}
    )
    assert manifest["metrics"]["made/sentiment"]["accuracy"] > 0.95
    registry = Registry(tmp_path)
    registry.promote("v1")
    engine = open_engine(registry.champion(), "onnx")
    bad, good = engine.classify(["shares plunge loss", "profit surge record"])
    assert (bad.sentiment, good.sentiment) == ("negative", "positive")
    assert engine.model_version == "v1"
    assert json.loads((tmp_path / "v1" / "manifest.json").read_text())["licence"]


def test_the_integer_graph_follows_the_network(base, rows, trained, tmp_path):
    network, magnitudes = trained
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    write_version(tmp_path / "v", weights, magnitudes, base, RECIPE, {"made": rows}, {})
    texts = [str(row["text"]) for row in rows[:50]]
    ours = open_engine(tmp_path / "v", "onnx").classify(texts)
    theirs = open_engine(tmp_path / "v", "torch").classify(texts)
    gap = [
        np.abs(np.subtract(a.sentiment_probabilities, b.sentiment_probabilities)).max()
        for a, b in zip(ours, theirs, strict=True)
    ]
    assert max(gap) < 0.05


def test_an_export_that_agrees_too_little_is_refused():
    with pytest.raises(Refused, match="too few rows"):
        _best_strength(lambda _: None, lambda: {"topic": 0.999, "sentiment": 0.9949})


def test_a_checkpoint_of_another_kind_is_refused(base, tmp_path):
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="not a BERT checkpoint"):
        load_base(tmp_path, 0.0)


def test_a_teacher_fills_in_only_what_is_missing(rows):
    class Sure:
        model_version = "sure"

        def classify(self, texts):
            from classifier.engine import Prediction

            return [Prediction((1.0,) + (0.0,) * 19, (0.0, 1.0, 0.0)) for _ in texts]

    taught = with_opinions(list(examples(rows[:6])), Sure(), 0.5)
    assert [example.topic_weight for example in taught] == [1.0, 0.5, 0.5, 1.0, 0.5, 0.5]
    assert {example.sentiment_weight for example in taught} == {1.0}
    assert taught[1].topic == (1.0,) + (0.0,) * 19


def test_noise_never_empties_a_text():
    rng = random.Random(1)
    assert all(with_noise("$F", rng).strip() for _ in range(200))
