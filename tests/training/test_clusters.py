"""Near-duplicates: signatures, clusters, leaks, and what a version keeps of its training rows."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from classifier.text import story_key, story_text
from trainer.clusters import (
    COPY,
    TRAINED_ON,
    clusters,
    leaks,
    load_trained_on,
    save_trained_on,
    signatures,
    similarity,
)

HEADLINE = "Central bank raises interest rates by half a point as inflation stays high"
FIXED = (
    "849f55f761431e9c2c9c843381366a37df04eaaf2de70fdf0ef1babfed86079e"
    "8b716b29e9a0f2ce349b6cbe0812acc81a697595c6f3b5b9e4e176ce930f09e7"
)
WORDS = ["bank", "rate", "oil", "gold", "loss", "profit", "stock", "bond", "court", "deal", "price"]
TEXTS = st.lists(st.text(max_size=40), min_size=1, max_size=30)
SENTENCES = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=8).map(" ".join), min_size=1, max_size=40
)


def jaccard(one: str, other: str) -> float:
    grams = [
        {text[i : i + 3] for i in range(len(text) - 2)}
        for text in (story_text(one), story_text(other))
    ]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def partition(numbers) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for row, number in enumerate(numbers.tolist()):
        found.setdefault(number, set()).add(row)
    return {frozenset(rows) for rows in found.values()}


def headlines(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    made = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=80)) for _ in range(count // 2)]
    return made + [text[:-6] + "".join(rng.choices("mnopqr", k=6)) for text in made]


def test_a_signature_is_the_same_on_every_machine() -> None:
    assert signatures([HEADLINE]).tobytes().hex() == FIXED


def test_a_signature_does_not_depend_on_the_texts_beside_it() -> None:
    texts = [HEADLINE, "", "x", "央行加息半个百分点", "a" * 200_000, HEADLINE[::-1]]
    together = signatures(texts)
    assert together.shape == (6, 64)
    assert together.dtype == np.uint8
    for text, row in zip(texts, together, strict=True):
        assert (signatures([text])[0] == row).all()


def test_no_texts_have_no_signatures_and_no_clusters() -> None:
    assert signatures([]).shape == (0, 64)
    assert clusters(signatures([])).tolist() == []
    assert leaks(signatures([]), signatures([HEADLINE])).tolist() == []
    assert leaks(signatures([HEADLINE]), signatures([])).tolist() == [False]


@given(st.text(max_size=60), st.text(max_size=60))
def test_texts_of_one_story_have_one_story_text(one: str, other: str) -> None:
    assert (story_key(one) == story_key(other)) == (story_text(one) == story_text(other))
    retweeted = f"RT @desk: {one}  https://t.co/x1"
    assert (story_key(one) == story_key(retweeted)) == (story_text(one) == story_text(retweeted))


def test_the_estimate_is_near_the_jaccard_similarity() -> None:
    words = HEADLINE.split()
    rng = random.Random(3)
    errors = []
    for _ in range(400):
        changed = [rng.choice(WORDS) if rng.random() < 0.3 else word for word in words]
        text = " ".join(changed)
        estimate = similarity(signatures([HEADLINE]), signatures([text]))[0]
        errors.append(estimate - jaccard(HEADLINE, text))
    assert abs(np.mean(errors)) < 0.03
    assert np.std(errors) < 0.08  # the square root of 1/4 in 64 is 0.0625


def test_a_changed_word_is_a_copy_and_another_story_is_not() -> None:
    test = signatures(
        [
            HEADLINE.replace("half", "quarter"),
            "RT @desk: " + HEADLINE.upper() + " https://t.co/abc",
            "Oil falls as producers agree to pump more from the summer on",
            "$TSLA - Tesla Q2 2022 Earnings Preview",
        ]
    )
    trained = signatures([HEADLINE, "Pool Q2 2022 Earnings Preview: what analysts expect of it"])
    assert leaks(test, trained).tolist() == [True, True, False, False]


@given(TEXTS)
def test_identical_texts_are_always_in_one_cluster(texts: list[str]) -> None:
    found = clusters(signatures(texts + texts))
    assert (found[: len(texts)] == found[len(texts) :]).all()


@given(SENTENCES, st.randoms(), st.sampled_from([0.4, COPY, 0.9]))
@settings(deadline=None)
def test_the_order_of_the_rows_does_not_change_the_partition(
    texts: list[str], rng: random.Random, threshold: float
) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)
    straight = partition(clusters(signatures(texts), threshold))
    shuffled = partition(clusters(signatures([texts[i] for i in order]), threshold))
    assert {frozenset(order[i] for i in rows) for rows in shuffled} == straight


@given(SENTENCES)
def test_a_higher_threshold_only_splits_clusters(texts: list[str]) -> None:
    found = signatures(texts)
    coarse, fine = clusters(found, 0.5), clusters(found, 0.8)
    for rows in partition(fine):
        assert len({int(coarse[row]) for row in rows}) == 1


@given(SENTENCES)
def test_numbers_count_up_in_the_order_of_first_occurrence(texts: list[str]) -> None:
    found = clusters(signatures(texts)).tolist()
    assert list(dict.fromkeys(found)) == list(range(max(found) + 1))


@pytest.mark.parametrize("threshold", [0.5, 0.6, COPY, 0.75, 0.8, 0.9, 1.0])
def test_bands_miss_no_pair_that_comparing_all_finds(threshold: float) -> None:
    found = signatures(headlines(600, seed=4))
    numbers = clusters(found, threshold)
    pairs = 0
    for row in range(len(found)):
        near = similarity(found[row], found[row + 1 :]) >= threshold
        pairs += int(near.sum())
        assert (numbers[row + 1 :][near] == numbers[row]).all()
    assert pairs >= (250 if threshold <= COPY else 0)


def test_a_flood_of_near_copies_is_one_cluster_in_reasonable_time() -> None:
    flood = [f"{HEADLINE}, says desk {number:04}" for number in range(5000)]
    assert clusters(signatures(flood)).max() == 0


@given(SENTENCES, SENTENCES)
def test_a_row_leaks_exactly_if_some_trained_row_is_a_copy(test, trained) -> None:
    ours, theirs = signatures(test), signatures(trained)
    expected = [bool((similarity(row, theirs) >= COPY).any()) for row in ours]
    assert leaks(ours, theirs).tolist() == expected


def test_a_version_keeps_its_signatures_and_no_text(tmp_path: Path) -> None:
    found = signatures([HEADLINE, "Oil falls", HEADLINE])
    save_trained_on(tmp_path, found)
    kept = load_trained_on(tmp_path)
    assert kept is not None
    assert {row.tobytes() for row in kept} == {row.tobytes() for row in found}
    assert len(kept) == 2, "a copy adds nothing"
    content = (tmp_path / TRAINED_ON).read_bytes().lower()
    assert b"bank" not in content
    assert b"oil" not in content


def test_a_version_without_signatures_says_none(tmp_path: Path) -> None:
    assert load_trained_on(tmp_path) is None


def test_damaged_or_foreign_signatures_are_refused(tmp_path: Path) -> None:
    (tmp_path / TRAINED_ON).write_bytes(b"not safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        load_trained_on(tmp_path)
    save_file({"signatures": signatures(["x"])}, tmp_path / TRAINED_ON, {"scheme": "another"})
    with pytest.raises(ValueError, match="other signatures"):
        load_trained_on(tmp_path)
    save_file({"else": signatures(["x"])}, tmp_path / TRAINED_ON)
    with pytest.raises(ValueError, match=TRAINED_ON):
        load_trained_on(tmp_path)


def test_comparing_needs_no_torch_and_no_scikit_learn() -> None:
    code = (
        "import sys, trainer.clusters; "
        "sys.exit(bool({'torch', 'sklearn', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
