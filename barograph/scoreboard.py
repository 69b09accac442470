"""The outcome of an evaluation for a person: two small tables a head, in eighty columns."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from barograph.labelled import Outcome
from trainer.evaluation import Evaluation
from trainer.intervals import Estimate
from trainer.report import FLOOR, write_report
from trainer.scorecard import Scorecard

_LINES_SHOWN = 5


def show(outcome: Outcome, console: Console) -> None:
    """Print what was measured, what was left out, and why."""
    file = outcome.file
    console.print(
        f"{file.name}: {file.lines:,} lines, {len(file.rows):,} labelled rows; "
        f"model {outcome.model_version}",
        markup=False,
        soft_wrap=True,
    )
    console.print(about_leaks(outcome), markup=False)
    for head, card in outcome.scorecards().items():
        if card is None:
            console.print(f"\n{head}: every row was trained on; --keep-leaked scores them")
        else:
            console.print(_figures(card, outcome.heads[head], outcome))
            console.print(_labels(card))


def about_leaks(outcome: Outcome) -> str:
    """One sentence on the rows that the version was trained on."""
    rows = len(outcome.file.rows)
    if outcome.leaked is None:
        return (
            f"Leaks cannot be checked: {outcome.model_version} keeps no signatures "
            "of the rows that it was trained on."
        )
    if not outcome.leaked:
        return f"None of {rows:,} rows is a near-copy of one that the model was trained on."
    count = len(outcome.leaked)
    lines = ", ".join(map(str, outcome.leaked[:_LINES_SHOWN]))
    more = ", ..." if count > _LINES_SHOWN else ""
    fate = "counted (--keep-leaked)" if outcome.keep_leaked else "left out"
    return (
        f"{count:,} of {rows:,} rows are near-copies of rows that the model was trained on, "
        f"and are {fate}: line{'s' if count > 1 else ''} {lines}{more}"
    )


def report(folder: Path, outcome: Outcome) -> Path:
    """Write the outcome as a page into ``folder``. Raises OSError."""
    cards = [card for card in outcome.scorecards().values() if card is not None]
    about = {
        "Model": outcome.model_version,
        "File": f"{outcome.file.name}, {outcome.file.lines:,} lines",
        "Labelled rows": f"{len(outcome.file.rows):,}; lines refused: {outcome.file.refused:,}",
        "Leaks": about_leaks(outcome),
    }
    for head, found in outcome.heads.items():
        if beside := _beside(found, outcome):
            name, card = beside
            about[f"{head.capitalize()}, {name}"] = (
                f"accuracy {_interval(card.accuracy)}, macro-F1 {_interval(card.macro_f1)}"
            )
    return write_report(folder, cards, about)


def _beside(found: Evaluation, outcome: Outcome) -> tuple[str, Scorecard] | None:
    """The scorecard that is not the figures, where it is another one."""
    if found.leak_free is found.all_rows:
        return None
    if not outcome.keep_leaked:
        return f"all {found.all_rows.rows:,} rows", found.all_rows
    if found.leak_free is None:
        return None
    return f"{found.leak_free.rows:,} rows not trained on", found.leak_free


def _figures(card: Scorecard, found: Evaluation, outcome: Outcome) -> Table:
    table = Table(
        box=None,
        show_header=False,
        title=f"{card.head}: {_rows(card.rows)}",
        padding=(0, 2, 0, 0),
    )
    table.title_justify, table.title_style = "left", "bold"
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("accuracy", _interval(card.accuracy))
    table.add_row("macro-F1", _interval(card.macro_f1))
    if card.negative_recall is not None:
        table.add_row("negative recall", _interval(card.negative_recall))
    if card.macro_roc_auc is not None:
        table.add_row("macro ROC-AUC", f"{card.macro_roc_auc:.3f}")
    table.add_row("calibration error", _interval(card.calibration_error))
    kept = card.at(FLOOR)
    right = "" if kept.accuracy is None else f", {kept.accuracy:.1%} of them right"
    table.add_row(f"confidence {FLOOR:g} or more", f"{kept.coverage:.1%} of rows{right}")
    if beside := _beside(found, outcome):
        name, other = beside
        table.add_row(f"accuracy, {name}", _interval(other.accuracy))
    return table


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _interval(one: Estimate) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _labels(card: Scorecard) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("label")
    for name in ("rows", "precision", "recall", "F1", "ROC-AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in card.labels:
        if not one.support and not one.precision:
            continue
        area = "-" if one.roc_auc is None else f"{one.roc_auc:.3f}"
        figures = (f"{value:.3f}" for value in (one.precision, one.recall, one.f1))
        table.add_row(one.label, f"{one.support:,}", *figures, area)
    return table
