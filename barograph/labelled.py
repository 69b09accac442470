"""A labelled file scored: its lines read, classified, checked for leaks and measured."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from barograph.offline import read_untimed
from classifier.engine import Engine, Prediction
from classifier.text import model_text
from ingest.encoding import decode
from ingest.parse import Policy
from ingest.record import Record
from trainer.clusters import COPY, Signatures, leaks, load_trained_on, signatures
from trainer.evaluation import LABELS, Evaluation, evaluate
from trainer.scorecard import Scorecard


@dataclass(frozen=True)
class LabelledLine:
    """A line that can be scored: its number, the text as the model reads it, a label a head."""

    number: int
    text: str
    labels: dict[str, str]


@dataclass
class LabelledFile:
    """What was read of a file; ``refused`` lines had something wrong, ``unlabelled`` nothing."""

    name: str
    lines: int = 0
    refused: int = 0
    unlabelled: int = 0
    rows: list[LabelledLine] = field(default_factory=list)


def read_labelled(
    name: str,
    records: Iterable[Record],
    policy: Policy,
    now: int,
    tell: Callable[[str], None],
) -> LabelledFile:
    """Read all lines; what is wrong with one is told with its number and does not stop the rest.

    A line with one unknown label is refused, but still scored by its other one.
    """
    found = LabelledFile(name)
    for record in records:
        found.lines += 1
        document = read_untimed(record, policy, now)
        if isinstance(document, str):
            labels: dict[str, str] = {}
            problems = [document]
        else:
            labels, problems = _labels(record.raw)
            text = model_text(document.title, document.body)
            if labels:
                found.rows.append(LabelledLine(record.offset, text, labels))
        for problem in problems:
            tell(f"line {record.offset}: {problem}")
        found.refused += bool(problems)
        found.unlabelled += not labels and not problems
    return found


def _labels(raw: bytes) -> tuple[dict[str, str], list[str]]:
    """The known labels of a line, by head, and what is wrong with the others."""
    content = json.loads(decode(raw))
    labels, problems = {}, []
    for head, names in LABELS.items():
        given = content.get(head)
        if given is None or given == "":
            continue
        known = {name.casefold(): name for name in names}
        name = known.get(given.strip().casefold()) if isinstance(given, str) else None
        if name is None:
            problems.append(f"unknown {head}: {json.dumps(given, ensure_ascii=False):.80}")
        else:
            labels[head] = name
    return labels, problems


def classified(
    file: LabelledFile, engine: Engine, batch_size: int, advance: Callable[[int], None]
) -> list[Prediction]:
    """A prediction for each row of the file."""
    waiting = iter(file.rows)
    found: list[Prediction] = []
    while batch := list(islice(waiting, batch_size)):
        found += engine.classify([row.text for row in batch])
        advance(len(batch))
    return found


@dataclass(frozen=True)
class Outcome:
    """How a version did on a file. ``leaked`` are line numbers, None where nobody can know.

    ``keep_leaked`` says which of an evaluation's two scorecards are the figures.
    """

    file: LabelledFile
    model_version: str
    leaked: tuple[int, ...] | None
    keep_leaked: bool
    heads: dict[str, Evaluation]

    def scorecards(self) -> dict[str, Scorecard | None]:
        """The figures of each head; None where every row was trained on."""
        return {
            head: found.all_rows if self.keep_leaked else found.leak_free
            for head, found in self.heads.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The object of ``--json``."""
        checked = self.leaked is not None
        return {
            "file": self.file.name,
            "model_version": self.model_version,
            "lines": self.file.lines,
            "refused": self.file.refused,
            "unlabelled": self.file.unlabelled,
            "rows": len(self.file.rows),
            "leaks_checked": checked,
            "leak_threshold": COPY if checked else None,
            "leaked": len(self.leaked) if self.leaked is not None else None,
            "leaked_lines": list(self.leaked) if self.leaked is not None else None,
            "scored": "all_rows" if self.keep_leaked or not checked else "leak_free",
            "heads": {
                head: {
                    "leak_free": found.leak_free.as_dict() if found.leak_free and checked else None,
                    "all_rows": found.all_rows.as_dict(),
                }
                for head, found in self.heads.items()
            },
        }


def measured(
    file: LabelledFile,
    predictions: list[Prediction],
    folder: Path,
    model_version: str,
    keep_leaked: bool = False,
) -> Outcome:
    """Measure what the version in ``folder`` said of the file's rows.

    Raises ValueError if the signatures of its training rows cannot be read.
    """
    trained = load_trained_on(folder)
    out = _leaked(file, trained)
    heads = {}
    for head in LABELS:
        places = [i for i, row in enumerate(file.rows) if head in row.labels]
        if places:
            truth = [file.rows[i].labels[head] for i in places]
            chosen = [predictions[i] for i in places]
            heads[head] = evaluate(file.name, head, chosen, truth, out[places], model_version)
    lines = tuple(row.number for row, leaked in zip(file.rows, out, strict=True) if leaked)
    known = None if trained is None else lines
    return Outcome(file, model_version, known, keep_leaked, heads)


def _leaked(file: LabelledFile, trained: Signatures | None) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if trained is None:
        return np.zeros(len(file.rows), np.bool_)
    return leaks(signatures([row.text for row in file.rows]), trained)
