"""What a training learns from and is measured on, and the proof that the two are apart."""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.labels import CONVENTIONS, SENTIMENTS
from trainer.clusters import Signatures, clusters, leaks, signatures
from trainer.datasets import Example, Row, examples, one_hot, read_rows, served_text

CORPUS = Path(__file__).parent / "corpus"

_DESK, _ENTITY, _READER = range(len(CONVENTIONS))
LABELLED = {"en_topic": _DESK, "en_sentiment": _DESK, "en_sentfin": _ENTITY}
# Streams whose compilation is free (MIT, CC0): the others are only ever measured on.
STREAMS = ("stream_stock_tweets_2014", "stream_benzinga_2009_2020")
ELSEWHERE = (
    "stream_cnbc_2017_2020",
    "stream_crypto_news_2021q4_2022q1",
    "stream_guardian_2017_2020",
    "stream_wsb_posts_2021_01",
    *STREAMS,
)
_BODY_CHARACTERS = 300
_SHORTEST = 15


@dataclass(frozen=True)
class Material:
    """Training examples, rows without any label, held-out rows by set, and where all came from.

    No training text is a copy of a held-out one. The first ``own`` of ``labelled`` are sentences
    of this project. ``fold`` gives each example's share, copies
    always in one; ``trained_on`` are the signatures of all training texts.
    """

    labelled: list[Example]
    own: int
    fold: NDArray[np.int64]
    unlabelled: list[Example]
    held_out: dict[str, list[Row]]
    trained_on: Signatures
    left_out: dict[str, int]
    hashes: dict[str, str]


def gather(data: Path, teachers: int, judged_weight: float, unlabelled: int) -> Material:
    """Read the sets in the folder ``data`` and this project's own sentences and judgements.

    Raises OSError for a set that is absent.
    """
    sets = {data / f"{name}_train.jsonl.gz": manner for name, manner in LABELLED.items()}
    stream_paths = [data / f"{name}.jsonl.gz" for name in STREAMS]
    own = [CORPUS / name for name in ("sentences.jsonl", "judgements.jsonl", "elsewhere.jsonl")]
    held_out = {f"{name}_dev": list(read_rows(data / f"{name}_dev.jsonl.gz")) for name in LABELLED}
    held_out |= elsewhere(data)
    judgements = {str(row["id"]): str(row["sentiment"]) for row in read_rows(own[1])}
    labelled = list(examples(read_rows(own[0]), _READER))
    sentences = len(labelled)
    for path, manner in sets.items():
        labelled += _judged(read_rows(path), manner, judgements, judged_weight)
    loose: dict[str, None] = {}
    for path in stream_paths:
        for row in read_rows(path):
            if row.get("lang") != "en":
                continue
            if str(row["id"]) in judgements:
                labelled += _judged([row], _READER, judgements, judged_weight)
            elif len(text := served_text(row)) >= _SHORTEST:
                loose[text] = None

    held = signatures([served_text(row) for rows in held_out.values() for row in rows])
    found = signatures([example.text for example in labelled])
    apart = ~leaks(found, held)
    kept = [example for example, good in zip(labelled, apart, strict=True) if good]
    rest = _some(list(loose), held, unlabelled)
    number = clusters(found[apart])
    return Material(
        labelled=kept,
        own=int(apart[:sentences].sum()),
        fold=_mixed(number) % max(1, teachers),
        unlabelled=[Example(text, None, None, convention=_READER, manner=_READER) for text in rest],
        held_out=held_out,
        trained_on=np.concatenate([found[apart], signatures(rest)]),
        left_out={"training rows that copy a held-out row": int((~apart).sum())},
        hashes={p.name: _sha256(p) for p in [*sets, *stream_paths, *own]},
    )


def _judged(
    rows: Iterable[Row], manner: int, judgements: Mapping[str, str], weight: float
) -> Iterable[Example]:
    """Examples of ``rows``; one without a sentiment takes that of its judgement, if any.

    A judgement follows its own convention, whatever the manner of the text.
    """
    for row in rows:
        judgement = judgements.get(str(row["id"]))
        if judgement is None or "sentiment" in row:
            yield from examples([row], manner)
        else:
            target = one_hot(judgement, SENTIMENTS)
            bare = Example(served_text(row), None, None, manner=manner)
            known = next(iter(examples([row], manner)), bare)
            yield replace(known, sentiment=target, sentiment_weight=weight, convention=_READER)


def elsewhere(data: Path) -> dict[str, list[Row]]:
    """Rows of other years, outlets and manners that two annotators gave the same sentiment.

    By stream; "text" is what was judged: the title, for some with its summary or the beginning
    of its body.
    """
    judged = {str(row["id"]): row for row in read_rows(CORPUS / "elsewhere.jsonl")}
    sets: dict[str, list[Row]] = {}
    for name in ELSEWHERE:
        for row in read_rows(data / f"{name}.jsonl.gz"):
            verdict = judged.get(str(row["id"]))
            if verdict is None or verdict["first"] != verdict["second"]:
                continue
            more = str(row[str(verdict["with"])])[:_BODY_CHARACTERS] if "with" in verdict else ""
            text = f"{row['text']}\n{more}" if more else str(row["text"])
            sets.setdefault(f"elsewhere/{name.removeprefix('stream_')}", []).append(
                {"id": row["id"], "text": text, "sentiment": verdict["first"]}
            )
    return sets


def _some(texts: list[str], held: Signatures, count: int) -> list[str]:
    """``count`` of the texts, one of each cluster, none a copy of a held-out one."""
    random.Random(1).shuffle(texts)
    texts = texts[: 2 * count]
    if not texts:
        return []
    found = signatures(texts)
    _, first = np.unique(clusters(found), return_index=True)
    apart = ~leaks(found, held)
    return [texts[i] for i in sorted(first) if apart[i]][:count]


def _mixed(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cluster numbers in an order that has nothing to do with the order of the rows."""
    order = np.random.default_rng(1).permutation(int(number.max(initial=0)) + 1)
    mixed: NDArray[np.int64] = order[number]
    return mixed


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(examples: Sequence[Example], recipe: Mapping[str, object]) -> str:
    """A name for one run: the same data and the same choices, and nothing else, have the same."""
    digest = hashlib.sha256(json.dumps(dict(recipe), sort_keys=True).encode())
    for one in examples:
        digest.update(repr(one).encode())
    return digest.hexdigest()
