"""The shipped model in its engines. The texts are this file's own."""

import random

import numpy as np
import pytest

from classifier.engine import Calibration
from classifier.labels import SENTIMENTS, TOPICS
from classifier.onnx_engine import OnnxEngine
from classifier.registry import Registry, open_engine

CALM = "Copperline Foods keeps its dividend unchanged at 32 cents a share"
BAD = "Shares of Harbour Bank plunge 60% as depositors flee and losses mount"
GOOD = "Nimbus Software beats estimates, raises outlook, shares surge to a record high"
WORDS = f"{CALM} {BAD} {GOOD} the Fed holds rates oil slips CEO resigns IPO priced merger".split()


def texts(count: int) -> list[str]:
    rng = random.Random(7)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 40))) for _ in range(count)]


@pytest.fixture(scope="module")
def folder():
    return Registry().champion()


def test_the_shipped_model_reads_the_obvious(folder):
    bad, good = open_engine(folder, "onnx").classify([BAD, GOOD])
    assert bad.sentiment == "negative"
    assert good.sentiment == "positive"
    assert sum(bad.topic_probabilities) == pytest.approx(1)
    assert (len(bad.topic_probabilities), len(bad.sentiment_probabilities)) == (
        len(TOPICS),
        len(SENTIMENTS),
    )


def test_an_answer_does_not_depend_on_batch_order_or_threads(folder):
    corpus = texts(120)
    expected = dict(zip(corpus, open_engine(folder, "onnx", 2).classify(corpus), strict=True))
    for size, threads in ((1, 1), (7, 2), (64, 3)):
        engine = open_engine(folder, "onnx", threads)  # a new one has no memory of texts
        shuffled = random.Random(size).sample(corpus, len(corpus))
        for start in range(0, len(shuffled), size):
            part = shuffled[start : start + size]
            for text, prediction in zip(part, engine.classify(part), strict=True):
                assert prediction == expected[text]


def test_an_answer_does_not_depend_on_how_many_texts_are_cut_at_once(folder):
    corpus = [*texts(60), " ".join(texts(12))]
    expected = OnnxEngine(folder, "v", Calibration(), 1).classify(corpus)
    for at_once, budget in ((1, 512), (7, 64), (50, 4096)):
        engine = OnnxEngine(folder, "v", Calibration(), 2, budget, at_once)
        assert engine.classify(corpus) == expected


@pytest.mark.parametrize("tokens", [3, 20, 64, 128])
def test_logits_are_the_same_to_the_bit_in_any_batch(folder, tokens):
    session = OnnxEngine(folder, "v", Calibration(), 1)._session
    ids = np.random.default_rng(tokens).integers(1000, 20_000, (50, tokens))
    whole = session.run(None, {"ids": ids})
    for size in (1, 2, 3, 7):
        for ours, part in zip(whole, session.run(None, {"ids": ids[-size:]}), strict=True):
            assert np.array_equal(ours[-size:], part)


def test_a_long_text_is_read_to_its_end(folder):
    engine = open_engine(folder, "onnx")
    filler = "The company held its annual meeting in the usual place. " * 20
    calm, alarming = engine.classify([filler, filler + (BAD + ". ") * 20])
    assert alarming.sentiment_probabilities[0] > calm.sentiment_probabilities[0] + 0.2


def test_an_empty_text_has_an_answer(folder):
    assert len(open_engine(folder, "onnx").classify(["", "", CALM])) == 3


def test_no_texts_have_no_answers(folder):
    assert open_engine(folder, "onnx").classify([]) == []


def test_the_torch_engine_cuts_texts_as_the_cpu_engine_does(folder):
    pytest.importorskip("torch", reason="the torch engine comes with the extra [torch]")
    from classifier.torch_engine import TorchEngine

    corpus = texts(30)
    whole = TorchEngine(folder, "v", Calibration(), device="cpu").classify(corpus)
    parts = TorchEngine(folder, "v", Calibration(), 64, 7, "cpu").classify(corpus)
    for a, b in zip(whole, parts, strict=True):
        assert a.topic_probabilities == pytest.approx(b.topic_probabilities, abs=1e-4)


def test_torch_and_the_cpu_engine_agree(folder):
    pytest.importorskip("torch", reason="the torch engine comes with the extra [torch]")
    corpus = [CALM, BAD, GOOD]
    ours = open_engine(folder, "onnx").classify(corpus)
    theirs = open_engine(folder, "torch").classify(corpus)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.topic, a.sentiment) == (b.topic, b.sentiment)
        assert a.sentiment_probabilities == pytest.approx(b.sentiment_probabilities, abs=0.05)
