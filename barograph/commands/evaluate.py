"""``barograph evaluate``: how good the model is on a labelled file."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from barograph.commands.common import FAILED, console, progress, refuse, settings_of
from barograph.complaints import Complaints
from barograph.settings import Settings

if TYPE_CHECKING:
    from barograph.labelled import LabelledFile, Outcome


def evaluate(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(help="Labelled JSONL or CSV, plain or .gz; - for standard input.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all figures as JSON on standard output.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write report.html, with pictures, into this folder.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A version's folder; the champion if absent.")
    ] = None,
    keep_leaked: Annotated[
        bool, typer.Option("--keep-leaked", help="Count rows that the model was trained on, too.")
    ] = False,
) -> None:
    """Score the model on the lines of FILE that bear a label.

    Lines are read as by classify; "topic" and "sentiment" hold the labels (either or both). A
    bad line or an unknown label is reported on standard error and does not stop the rest.

    Rows that are near-copies of rows that the model was trained on are left out of the figures
    and reported; the accuracy on all rows stands beside. Exit code 1 if nothing can be scored.

    Examples:
      barograph evaluate labelled.jsonl.gz --report report

      barograph evaluate labelled.jsonl --json | jq .heads.topic.leak_free.accuracy

    """
    from barograph.scoreboard import report as write
    from barograph.scoreboard import show
    from classifier.registry import ModelProblem
    from ingest.files import SourceError

    try:
        outcome = _outcome(settings_of(context), file, model, keep_leaked)
        if as_json:
            print(json.dumps(outcome.as_dict(), ensure_ascii=False, allow_nan=False))
        else:
            show(outcome, Console(highlight=False))
        if not any(outcome.scorecards().values()):
            refuse("every row was trained on: --keep-leaked scores them all the same", FAILED)
        if report is not None:
            console.print(f"report: {write(report, outcome)}", markup=False, soft_wrap=True)
    except (SourceError, ModelProblem, OSError, ValueError) as problem:
        refuse(str(problem), FAILED)


def _outcome(settings: Settings, file: str, model: Path | None, keep_leaked: bool) -> "Outcome":
    """Read the file, classify its rows, measure the answers."""
    from barograph.labelled import classified, measured, read_labelled
    from barograph.wiring import registry, throwaway_policy
    from classifier.registry import open_engine
    from ingest.files import read_records

    group = settings.classify
    name = "standard input" if file == "-" else Path(file).name
    folder = model or registry(settings).champion()
    engine = open_engine(folder, group.engine, group.threads)
    now, accepted = time.time_ns() // 1_000_000, throwaway_policy(settings)
    complaints = Complaints(console, "problems")
    found = read_labelled(name, read_records(file, "file"), accepted, now, complaints.tell)
    _summarise(found)
    with progress("classified") as advance:
        predictions = classified(found, engine, group.batch_size, advance)
    return measured(found, predictions, folder, engine.model_version, keep_leaked)


def _summarise(found: "LabelledFile") -> None:
    """How many lines are not scored; leaves where none is."""
    if found.refused:
        console.print(f"{found.refused:,} of {found.lines:,} lines were refused", markup=False)
    if found.unlabelled:
        console.print(
            f"{found.unlabelled:,} of {found.lines:,} lines bear no topic and no sentiment",
            markup=False,
        )
    if not found.rows:
        refuse(f"nothing to score: no good line of {found.name} bears a label", FAILED)
