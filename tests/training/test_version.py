"""The whole way from labelled rows to a served version."""

import json
import random

import numpy as np
import pytest
from tokenizers import Tokenizer

torch = pytest.importorskip("torch", reason="training comes with the extra [train]")
from safetensors.torch import save_file  # noqa: E402

from classifier.engine import Prediction  # noqa: E402
from classifier.labels import SENTIMENTS  # noqa: E402
from classifier.registry import ModelProblem, Registry, open_engine, read_manifest  # noqa: E402
from trainer.clusters import leaks, load_trained_on, signatures  # noqa: E402
from trainer.datasets import Opinion, examples, with_noise, with_opinions  # noqa: E402
from trainer.evaluation import Answers  # noqa: E402
from trainer.finetune import finetune, input_statistics, load_base  # noqa: E402
from trainer.version import (  # noqa: E402
    OUTSIDE,
    Refused,
    good_export,
    parity,
    write_version,
)


@pytest.fixture(scope="module")
def written(base, rows, material, recipe, tmp_path_factory):
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    network = load_base(base, 0.0)
    finetune(network, list(examples(rows)), tokenizer, recipe)
    inputs = input_statistics(network, [str(row["text"]) for row in rows], tokenizer)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    folder = tmp_path_factory.mktemp("models")
    write_version(folder / "v1", weights, inputs, base, recipe, material)
    return folder


def test_training_learns_and_the_version_serves_it(written):
    manifest = json.loads((written / "v1" / "manifest.json").read_text())
    assert manifest["metrics"]["made/sentiment"]["accuracy"] > 0.95
    registry = Registry(written)
    registry.promote("v1")
    engine = open_engine(registry.champion(), "onnx")
    bad, good = engine.classify(["shares plunge loss", "profit surge record"])
    assert (bad.sentiment, good.sentiment) == ("negative", "positive")
    assert engine.model_version == "v1"


def test_a_version_tells_what_it_was_made_of_and_how_good_it_is(written):
    manifest = json.loads((written / "v1" / "manifest.json").read_text())
    assert {"licence", "environment", "recipe", "data_sha256", "left_out"} <= manifest.keys()
    assert min(manifest["engine_agreement"].values()) >= 0.995
    assert "model.onnx" in manifest["files_sha256"]
    card = (written / "v1" / "MODEL_CARD.md").read_text()
    assert "| made | sentiment | 400 |" in card
    assert "| negative | 200 |" in card


def test_a_version_knows_what_it_was_trained_on_and_no_text_of_it(written, rows):
    trained_on = load_trained_on(written / "v1")
    seen = [str(row["text"]) for row in rows[:5]]
    assert leaks(signatures(seen), trained_on).all()
    assert not leaks(signatures(["An entirely different sentence about whales"]), trained_on).any()
    kept = b"".join(f.read_bytes() for f in (written / "v1").glob("trained_on*"))
    assert seen[0].encode() not in kept


def test_the_integer_graph_follows_the_network(written, rows):
    texts = [str(row["text"]) for row in rows[:50]]
    ours = open_engine(written / "v1", "onnx").classify(texts)
    theirs = open_engine(written / "v1", "torch").classify(texts)
    gap = [
        np.abs(np.subtract(a.sentiment_probabilities, b.sentiment_probabilities)).max()
        for a, b in zip(ours, theirs, strict=True)
    ]
    assert max(gap) < 0.05


def _changed(written, tmp_path, **changes):
    """A copy of the version that claims something else."""
    folder = tmp_path / "other"
    folder.mkdir()
    for file in (written / "v1").iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_an_engine_that_answers_otherwise_than_the_network_is_not_loaded(written, tmp_path):
    probe = {"text": "shares plunge loss", "topic": "IPO", "sentiment": "positive"}
    folder = _changed(written, tmp_path, probes=[probe])
    with pytest.raises(ModelProblem, match=r"0\.0 % \(probes\)"):
        open_engine(folder, "onnx")


def test_a_version_whose_engines_disagreed_is_not_loaded(written, tmp_path):
    folder = _changed(written, tmp_path, engine_agreement={"topic": 0.9949, "sentiment": 1.0})
    with pytest.raises(ModelProblem, match=r"99\.5 % \(topic\)"):
        open_engine(folder, "onnx")


def test_a_version_whose_engine_lost_accuracy_is_not_loaded(written, tmp_path):
    folder = _changed(written, tmp_path, engine_accuracy_loss={"topic": 0.0, "sentiment": 0.0031})
    with pytest.raises(ModelProblem, match="loses accuracy"):
        open_engine(folder, "onnx")


def test_a_manifest_without_its_proofs_is_no_version(written, tmp_path):
    folder = _changed(written, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["probes"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelProblem, match="not a complete model version"):
        read_manifest(folder)


def _answers(sentiments):
    rows = [{"text": "x", "sentiment": "negative"}] * len(sentiments)
    sure = {name: tuple(float(name == other) for other in SENTIMENTS) for name in SENTIMENTS}
    predictions = [Prediction((1.0,) + (0.0,) * 19, sure[name]) for name in sentiments]
    return Answers({"made": predictions}, {"made": rows})


@pytest.mark.parametrize(
    ("flipped", "to", "good"), [(1, "positive", True), (2, "negative", True), (2, "neutral", False)]
)
def test_engines_may_differ_on_one_row_in_two_hundred_and_lose_three_in_a_thousand(
    flipped, to, good
):
    theirs = ["negative"] * 198 + ["positive"] * 202
    ours = list(theirs)
    for place in range(flipped):
        ours[place if to != "negative" else 399 - place] = to
    compared = parity(_answers(ours), _answers(theirs))
    assert compared.agreement == {"sentiment": round(1 - flipped / 400, 4)}
    assert (compared.fault is None) is good


def _exported(*sentiments):
    """An export whose engine answers so, grid after grid; and the grids it was asked for."""
    asked, answers = [], iter(sentiments)

    def export(outside):
        asked.append(outside)
        return _answers(next(answers))

    return export, asked


THEIRS = ["negative"] * 10_000
UNLIKE = ["positive"] * 51 + ["negative"] * 9949  # agrees on 0.9949
ALIKE = ["positive"] * 10 + ["negative"] * 9990


def test_exports_that_are_not_alike_enough_are_refused():
    export, asked = _exported(*[UNLIKE] * len(OUTSIDE))
    with pytest.raises(Refused, match="not enough alike"):
        good_export(export, _answers(THEIRS))
    assert asked == list(OUTSIDE)


def test_exports_that_lose_accuracy_are_refused():
    lossy = ["positive"] * 31 + ["negative"] * 9969  # agrees on 0.9969, loses 0.0031
    export, _ = _exported(*[lossy] * len(OUTSIDE))
    with pytest.raises(Refused, match="not enough alike"):
        good_export(export, _answers(THEIRS))


def test_the_first_export_that_is_alike_enough_is_kept():
    export, asked = _exported(UNLIKE, ALIKE)
    outside, kept, answers = good_export(export, _answers(THEIRS))
    assert kept.agreement["sentiment"] == 0.999
    assert asked[1:] == [outside]
    assert answers.guesses("sentiment")[0] == ALIKE


def test_a_checkpoint_of_another_kind_is_refused(base, tmp_path):
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="not a BERT checkpoint"):
        load_base(tmp_path, 0.0)


def test_an_opinion_is_all_where_a_label_is_missing_and_a_part_where_it_is_not(rows):
    opinion = Opinion((1.0,) + (0.0,) * 19, ((0.0, 1.0, 0.0),) * 3)
    data = list(examples(rows[:6]))
    taught = with_opinions(data, [opinion] * 6, 0.75, 0.5)
    assert [example.topic_weight for example in taught] == [1.0, 0.5, 0.5, 1.0, 0.5, 0.5]
    assert {example.sentiment_weight for example in taught} == {1.0}
    assert taught[1].topic == opinion.topic
    assert taught[0].sentiment == (0.75, 0.25, 0.0)


def test_noise_never_empties_a_text():
    rng = random.Random(1)
    assert all(with_noise("$F", rng).strip() for _ in range(200))
