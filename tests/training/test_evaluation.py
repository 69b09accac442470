"""Every metric against scikit-learn's, and what must hold of any scorecard."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.engine import Prediction
from classifier.labels import SENTIMENTS, TOPICS
from trainer.calibration import calibration_error, reliability
from trainer.evaluation import LABELS, Answers, evaluate
from trainer.intervals import estimate, resample
from trainer.metrics import (
    brier,
    confusion,
    kept_and_right,
    log_loss,
    macro,
    precision_recall_f1,
    roc_auc,
    roc_curve,
)
from trainer.scorecard import scorecard


def made(rows: int, labels: int, seed: int, skill: float = 2.0):
    """Probabilities that lean to the truth, some of them equal to each other."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, rows)
    logits = random.normal(size=(rows, labels)).round(1)
    logits[np.arange(rows), truth] += skill
    table = np.exp(logits)
    return table / table.sum(axis=1, keepdims=True), truth.astype(np.int64)


SETS = st.tuples(
    st.integers(1, 60), st.integers(2, 6), st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 4.0])
).map(lambda given: made(*given))


def close(ours, theirs) -> bool:
    return bool(np.allclose(ours, theirs, atol=1e-9))


@given(SETS)
def test_counts_and_averages_agree_with_scikit_learn(given_set) -> None:
    table, truth = given_set
    guess, names = table.argmax(axis=1), range(table.shape[1])
    matrix = confusion(truth, guess, len(names))
    assert (matrix == reference.confusion_matrix(truth, guess, labels=names)).all()
    theirs = reference.precision_recall_fscore_support(truth, guess, labels=names, zero_division=0)
    averaged = reference.precision_recall_fscore_support(
        truth, guess, average="macro", zero_division=0
    )
    ours = precision_recall_f1(matrix)
    for place in range(3):
        assert close(ours[place], theirs[place])
        assert close(macro(ours[place], matrix), averaged[place])


@given(SETS)
def test_curves_and_areas_agree_with_scikit_learn(given_set) -> None:
    table, truth = given_set
    for place in range(table.shape[1]):
        positive, scores = truth == place, table[:, place]
        ours = roc_auc(scores, positive)
        if positive.all() or not positive.any():
            assert ours is None
            continue
        assert ours is not None
        assert close(ours, reference.roc_auc_score(positive, scores))
        false, true, _ = reference.roc_curve(positive, scores, drop_intermediate=False)
        assert all(map(close, roc_curve(scores, positive), (false, true)))


@given(SETS)
def test_losses_agree_with_scikit_learn(given_set) -> None:
    table, truth = given_set
    names = list(range(table.shape[1]))
    assert close(log_loss(table, truth), reference.log_loss(truth, table, labels=names))
    theirs = reference.brier_score_loss(truth, table, labels=names, scale_by_half=False)
    assert close(brier(table, truth), theirs)


@pytest.mark.parametrize(("head", "seed"), [("topic", 1), ("sentiment", 2)])
def test_a_scorecard_says_what_scikit_learn_says(head: str, seed: int) -> None:
    labels = LABELS[head]
    table, truth = made(800, len(labels), seed)
    guess = table.argmax(axis=1)
    card = scorecard("a set", head, labels, table, truth)
    assert card.rows == 800
    assert close(card.accuracy.value, reference.accuracy_score(truth, guess))
    assert close(card.macro_f1.value, reference.f1_score(truth, guess, average="macro"))
    assert close(card.macro_precision, reference.precision_score(truth, guess, average="macro"))
    assert close(card.macro_recall, reference.recall_score(truth, guess, average="macro"))
    assert close(card.macro_roc_auc, reference.roc_auc_score(truth, table, multi_class="ovr"))
    assert [one.label for one in card.labels] == list(labels)
    assert [one.support for one in card.labels] == np.bincount(truth).tolist()
    if head == "sentiment":
        assert card.negative_recall is not None
        assert card.negative_recall.value == card.labels[0].recall
    else:
        assert card.negative_recall is None


@given(SETS)
def test_what_must_hold_of_any_scorecard(given_set) -> None:
    table, truth = given_set
    labels = [f"label {number}" for number in range(table.shape[1])]
    card = scorecard("a set", "topic", labels, table, truth)
    matrix = np.array(card.confusion)
    assert matrix.sum() == card.rows == len(truth)
    assert close(matrix.trace() / card.rows, card.accuracy.value)
    for one in (card.accuracy, card.macro_f1, card.calibration_error):
        assert 0 <= one.low <= one.high <= 1 + 1e-12
    assert card.accuracy.low <= card.accuracy.value <= card.accuracy.high
    assert sum(one.rows for one in card.reliability) == card.rows
    shares = [one.coverage for one in card.coverage]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert card.coverage[0].accuracy == card.accuracy.value
    for curve in card.roc.values():
        for rates in (curve.false_positive, curve.true_positive):
            assert (rates[0], rates[-1]) == (0, 1)
            assert list(rates) == sorted(rates)
    assert 0 <= card.brier <= 2
    json.dumps(card.as_dict(), allow_nan=False)


@given(SETS, st.integers(0, 100))
def test_the_order_of_the_rows_changes_no_metric(given_set, seed: int) -> None:
    table, truth = given_set
    order = np.random.default_rng(seed).permutation(len(truth))
    labels = [str(number) for number in range(table.shape[1])]
    one = scorecard("a set", "topic", labels, table, truth)
    other = scorecard("a set", "topic", labels, table[order], truth[order])
    assert one.confusion == other.confusion
    assert one.labels == other.labels
    assert close(one.calibration_error.value, other.calibration_error.value)
    assert close([one.brier, one.log_loss], [other.brier, other.log_loss])


def test_the_metrics_of_resamples_are_the_metrics_of_those_rows() -> None:
    table, truth = made(200, 3, 8)
    drawn = resample(table, truth, 40)
    indices = np.random.Generator(np.random.PCG64(20260101)).integers(0, 200, (40, 200))
    for number, rows in enumerate(indices):
        guess = table[rows].argmax(axis=1)
        assert close(drawn.accuracy[number], reference.accuracy_score(truth[rows], guess))
        f1 = reference.f1_score(truth[rows], guess, average="macro")
        assert close(drawn.macro_f1[number], f1)
        recall = reference.recall_score(truth[rows], guess, average=None)
        assert close(drawn.recall[number], recall)
        error = calibration_error(table[rows], truth[rows].tolist())
        assert close(drawn.calibration_error[number], error)


def test_an_interval_is_the_same_each_time_and_as_wide_as_theory_says() -> None:
    table, truth = made(1500, 3, 9)
    first, second = resample(table, truth), resample(table, truth)
    assert (first.accuracy == second.accuracy).all()
    accuracy = float((table.argmax(axis=1) == truth).mean())
    interval = estimate(accuracy, first.accuracy)
    width = 2 * 1.96 * (accuracy * (1 - accuracy) / 1500) ** 0.5
    assert interval.high - interval.low == pytest.approx(width, rel=0.15)


def test_a_perfect_and_a_hopeless_model() -> None:
    truth = np.arange(60) % 3
    perfect = scorecard("a set", "sentiment", SENTIMENTS, np.eye(3)[truth], truth)
    assert perfect.accuracy == perfect.macro_f1 == estimate(1.0, np.ones(1))
    assert (perfect.brier, perfect.log_loss, perfect.calibration_error.value) == (0, 0, 0)
    assert perfect.macro_roc_auc == 1
    wrong = scorecard("a set", "sentiment", SENTIMENTS, np.eye(3)[(truth + 1) % 3], truth)
    assert (wrong.accuracy.value, wrong.brier, wrong.calibration_error.value) == (0, 2, 1)


def test_a_label_without_rows_has_no_area_and_does_not_weigh() -> None:
    truth = np.array([0, 0, 2, 2])
    table = np.array([[0.8, 0.1, 0.1], [0.6, 0.1, 0.3], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = scorecard("a set", "sentiment", SENTIMENTS, table, truth)
    assert [one.roc_auc for one in card.labels] == [1.0, None, 1.0]
    assert card.macro_f1.value == 1.0
    assert set(card.roc) == {"negative", "positive"}


def test_confidence_is_kept_apart_by_bins_and_abstention_by_floors() -> None:
    table = np.array([[0.95, 0.05], [0.6, 0.4], [1.0, 0.0], [0.3, 0.7]])
    truth = np.array([0, 1, 0, 1])
    bins = [one for one in reliability(table, truth.tolist(), 10) if one.rows]
    assert [(one.rows, one.accuracy) for one in bins] == [(1, 0.0), (1, 1.0), (2, 1.0)]
    kept = kept_and_right(table, truth, (0.0, 0.65, 1.0))
    assert kept == [(1.0, 0.75), (0.75, 1.0), (0.25, 1.0)]
    assert kept_and_right(table[:2], truth[:2], (0.99,)) == [(0.0, None)]


class Oracle:
    """An engine that reads the label out of the text."""

    model_version = "oracle"

    def classify(self, texts):
        return [prediction(text.split()[0]) for text in texts]


def prediction(sentiment: str, sure: float = 0.9) -> Prediction:
    rest = (1 - sure) / 2
    return Prediction(
        (0.05,) * 20, tuple(sure if label == sentiment else rest for label in SENTIMENTS)
    )


def test_an_engine_is_scored_on_the_rows_that_bear_a_label() -> None:
    rows = [{"text": f"{label} news", "sentiment": label} for label in SENTIMENTS]
    unlabelled = {"text": "negative, but of no label"}
    answers = Answers.of(Oracle(), {"made": [*rows, unlabelled]})
    predictions, truth = answers.labelled("sentiment")["made"]
    found = evaluate("made", "sentiment", predictions, truth).all_rows
    assert (found.rows, found.accuracy.value, found.macro_f1.value) == (3, 1.0, 1.0)
    assert {one.label: one.recall for one in found.labels} == dict.fromkeys(SENTIMENTS, 1.0)
    assert found.calibration_error.value == pytest.approx(0.1)
    assert not answers.labelled("topic")
    with pytest.raises(ValueError, match="no row bears a topic"):
        evaluate("made", "topic", [], [])


def test_leaked_rows_are_counted_named_and_left_out_of_one_of_two_scorecards() -> None:
    truth = ["negative", "positive", "neutral", "negative"]
    predictions = [prediction(one) for one in ("negative", "negative", "neutral", "neutral")]
    leaked = np.array([True, False, True, False])
    found = evaluate("a set", "sentiment", predictions, truth, leaked, "version")
    assert found.leaked == (0, 2)
    assert found.all_rows.rows == 4
    assert found.all_rows.accuracy.value == 0.5
    assert found.leak_free is not None
    assert found.leak_free.rows == 2
    assert found.leak_free.accuracy.value == 0
    assert found.leak_free.model_version == "version"


def test_without_leaks_both_scorecards_are_one_and_with_only_leaks_one_is_none() -> None:
    truth, predictions = ["negative"], [prediction("negative")]
    found = evaluate("a set", "sentiment", predictions, truth)
    assert found.leak_free is found.all_rows
    found = evaluate("a set", "sentiment", predictions, truth, np.array([True]))
    assert found.leak_free is None
    assert found.leaked == (0,)


def test_no_rows_and_unknown_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="no row bears a sentiment"):
        evaluate("a set", "sentiment", [], [])
    with pytest.raises(ValueError, match="bullish"):
        evaluate("a set", "sentiment", [prediction("positive")], ["bullish"])


@settings(max_examples=20)
@given(st.floats(0.34, 0.99))
def test_confidence_that_is_kept_has_no_calibration_error(sure: float) -> None:
    table = np.tile([sure, (1 - sure) / 2, (1 - sure) / 2], (1000, 1))
    truth = np.where(np.arange(1000) < round(1000 * sure), 0, 1)
    assert calibration_error(table, truth.tolist()) < 0.001


def test_twenty_topics_of_ten_thousand_rows_take_seconds() -> None:
    table, truth = made(10_000, len(TOPICS), 1)
    assert scorecard("a set", "topic", TOPICS, table, truth).rows == 10_000


def test_measuring_needs_no_torch_and_no_scikit_learn() -> None:
    code = (
        "import sys, trainer.evaluation, trainer.scorecard; "
        "sys.exit(bool({'torch', 'sklearn', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
