"""Training runs: cut off and gone on with, teachers and student, data that may not leak."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training comes with the extra [train]")
from tokenizers import Tokenizer  # noqa: E402

from classifier.answers import predictions  # noqa: E402
from classifier.engine import Calibration  # noqa: E402
from trainer.base import find_base  # noqa: E402
from trainer.checkpoint import Checkpoint  # noqa: E402
from trainer.datasets import Example, examples  # noqa: E402
from trainer.finetune import finetune, load_base  # noqa: E402
from trainer.material import CORPUS, LABELLED, STREAMS, _judged, gather  # noqa: E402
from trainer.opinions import opinions  # noqa: E402
from trainer.training import Training  # noqa: E402


class CutOff(Exception):
    pass


def _run(base, data, recipe, checkpoint=None, stop_at=None):
    def progress(step, steps, loss):
        if step == stop_at:
            raise CutOff

    torch.manual_seed(0)
    network = load_base(base, 0.1)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    return finetune(network, data, tokenizer, recipe, progress, checkpoint)


@pytest.mark.parametrize("stop_at", [1, 7, 25, 26, 49])
def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(base, rows, recipe, tmp_path, stop_at):
    recipe = replace(recipe, epochs=2, dropout=0.1, noise_share=0.3)
    data = list(examples(rows))
    whole = _run(base, data, recipe)
    file = tmp_path / "run.checkpoint"
    with pytest.raises(CutOff):
        _run(base, data, recipe, Checkpoint(file, "a run", every=3), stop_at)
    again = _run(base, data, recipe, Checkpoint(file, "a run", every=3))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_checkpoint_of_another_run_is_not_gone_on_with(base, rows, recipe, tmp_path):
    data, file = list(examples(rows)), tmp_path / "run.checkpoint"
    short = replace(recipe, epochs=1)
    with pytest.raises(CutOff):
        _run(base, data, short, Checkpoint(file, "one run", every=3), 9)
    fresh = _run(base, data, short, Checkpoint(file, "another run", every=1000))
    assert torch.equal(fresh.topic.weight, _run(base, data, short).topic.weight)


def test_a_loss_that_is_no_number_stops_the_run(base, rows, recipe):
    bad = [replace(example, sentiment_weight=float("nan")) for example in examples(rows[:32])]
    with pytest.raises(ValueError, match="the loss is nan"):
        _run(base, bad, recipe)


def test_two_habits_of_labelling_do_not_blur_each_other(base, recipe):
    """The same words are bad news to one convention and nothing to another."""
    bad, calm = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    data = [
        one
        for words in ("shares fall", "bank loss", "plunge")
        for one in (
            Example(f"oil {words}", None, calm, convention=0, manner=0),
            Example(f"gold {words}", None, bad, convention=2, manner=2),
        )
    ] * 40
    network = _run(base, data, replace(recipe, ema=0.9, manner_weight=1.0))
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    desk, holder = opinions(network, ["oil shares fall", "gold shares fall"], tokenizer)
    for one in (desk, holder):
        assert max(one.sentiment[0]) == one.sentiment[0][1]
        assert max(one.sentiment[2]) == one.sentiment[2][0]
    with torch.inference_mode():
        ids = [tokenizer.encode(text).ids for text in ("oil shares fall", "gold shares fall")]
        _, logits = network(torch.tensor(ids))
    answers = predictions(np.zeros((2, 20)), logits.double().numpy(), [[9], [9]], Calibration())
    assert [one.sentiment for one in answers] == ["neutral", "negative"]


def test_a_judgement_of_a_desk_tweet_teaches_the_readers_convention():
    rows = [{"id": "a", "text": "desk tweet", "topic": "IPO"}]
    (judged,) = _judged(rows, 0, {"a": "negative"}, 0.8)
    assert (judged.manner, judged.convention, judged.sentiment_weight) == (0, 2, 0.8)
    assert judged.topic is not None


def test_a_student_is_taught_and_finished_networks_are_not_trained_again(
    base, material, recipe, tmp_path
):
    told = []
    recipe = replace(recipe, epochs=3, student_epochs=2, teachers=2)

    def training():
        return Training(base, recipe, tmp_path, lambda name, *_: told.append(name))

    student = training().student(material)
    assert list(dict.fromkeys(told)) == ["teacher-0", "teacher-1", "student"]
    told.clear()
    again = training().student(material)
    assert not told
    assert torch.equal(student.topic.weight, again.topic.weight)
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_teacher_never_sees_the_rows_that_it_judges(base, material, recipe, tmp_path):
    seen = {}

    class Watched(Training):
        def _network(self, name, data, recipe, network):
            seen[name] = {id(example) for example in data}
            return network

    training = Watched(base, replace(recipe, teachers=2), tmp_path)
    for number in (0, 1):
        training._teacher(material, number)
    for number in (0, 1):
        pairs = zip(material.labelled, material.fold, strict=True)
        own = {id(example) for example, fold in pairs if fold == number}
        assert not own & seen[f"teacher-{number}"]


def _written(folder, name, rows):
    with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path):
    for name in LABELLED:
        _written(
            tmp_path,
            f"{name}_train",
            [
                {
                    "id": f"{name}-1",
                    "text": f"{name} a first text about a bank",
                    "sentiment": "neutral",
                },
                {
                    "id": f"{name}-2",
                    "text": f"{name} HELD OUT words of some length http://t.co/x",
                    "sentiment": "negative",
                },
            ],
        )
        _written(
            tmp_path,
            f"{name}_dev",
            [
                {
                    "id": f"{name}-3",
                    "text": f"{name} held out words of some length",
                    "sentiment": "negative",
                },
            ],
        )
    for name in (
        "cnbc_2017_2020",
        "crypto_news_2021q4_2022q1",
        "guardian_2017_2020",
        "wsb_posts_2021_01",
    ):
        _written(tmp_path, f"stream_{name}", [])
    for name in STREAMS:
        _written(
            tmp_path,
            name,
            [
                {"id": f"{name}-1", "text": "Nobody has labelled this line of text", "lang": "en"},
                {"id": f"{name}-2", "text": "Esto no es ingles, pero es texto", "lang": "es"},
            ],
        )
    return tmp_path


def test_copies_of_held_out_rows_are_left_out_and_counted(data):
    material = gather(data, 3, 0.8, 100)
    texts = [example.text for example in material.labelled]
    assert not [text for text in texts if "HELD OUT" in text]
    assert sum("a first text" in text for text in texts) == len(LABELLED)
    assert material.left_out == {"training rows that copy a held-out row": len(LABELLED)}
    assert [one.text for one in material.unlabelled] == ["Nobody has labelled this line of text"]


def test_copies_are_all_in_one_share(data):
    material = gather(data, 3, 0.8, 100)
    from trainer.clusters import clusters, signatures

    number = clusters(signatures([example.text for example in material.labelled]))
    for cluster in np.unique(number):
        assert len(set(material.fold[number == cluster])) == 1


def test_our_own_sentences_are_distinct_and_their_labels_known():
    rows = [json.loads(line) for line in (CORPUS / "sentences.jsonl").read_text().splitlines()]
    assert len({row["text"] for row in rows}) == len(rows) > 3000
    assert all(isinstance(example, Example) for example in examples(rows))


def test_judgements_bear_no_text():
    for name in ("judgements.jsonl", "elsewhere.jsonl"):
        for line in (CORPUS / name).read_text().splitlines():
            assert json.loads(line).keys() <= {"id", "sentiment", "first", "second", "with"}


def test_a_base_that_is_no_bert_is_refused(tmp_path):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text('{"model_type": "gpt2"}')
    with pytest.raises(ValueError, match="gpt2 checkpoint"):
        find_base(str(tmp_path))


def test_pickled_weights_are_not_read(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"lacks model\.safetensors"):
        find_base(str(tmp_path))
