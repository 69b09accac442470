"""What the benchmarks measure us against must load the shipped weights, whatever their shape."""

import pytest

pytest.importorskip("torch", reason="the pipeline comes with the extra [train]")

from benchmarks.pipelines import head_pipeline
from classifier.labels import SENTIMENTS, TOPICS
from classifier.registry import Registry

TEXTS = [f"Shares of bank number {number} plunge as depositors flee" for number in range(40)]


@pytest.mark.parametrize(("head", "labels"), [("topic", TOPICS), ("sentiment", SENTIMENTS)])
def test_the_pipeline_runs_on_the_shipped_weights_and_names_our_labels(head, labels):
    answers = head_pipeline(Registry().champion(), head)(TEXTS)
    assert len(answers) == len(TEXTS)
    assert {answer["label"] for answer in answers} <= set(labels)
