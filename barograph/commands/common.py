"""What several commands need: settings from the context, exit codes, a progress bar."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Never

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from barograph.settings import Settings, SettingsProblem, load

OK, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130

console = Console(stderr=True, highlight=False)


def settings_of(context: typer.Context, **given: object) -> Settings:
    """The settings of this run; leaves with exit code 2 where they cannot be used."""
    try:
        return load(context.obj, **given)
    except SettingsProblem as problem:
        refuse(str(problem))


def refuse(message: str, code: int = BAD_USAGE) -> Never:
    """Say what is wrong and leave."""
    console.print("[bold red]barograph:[/]", end=" ")
    console.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int], None]]:
    """A line that moves, on standard error, if somebody looks; call it with how many were done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    shown = Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True)
    with shown:
        task = shown.add_task(label, total=None, rate="")

        def advance(count: int) -> None:
            shown.advance(task, count)
            speed = shown.tasks[0].speed
            shown.update(task, rate=f"{speed:,.0f}/s" if speed else "")

        yield advance


@contextmanager
def output(path: str | None) -> Iterator[IO[str]]:
    """The file at ``path``, or standard output where it is None or "-"."""
    if path is None or path == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as problem:
        refuse(f"cannot write {path}: {problem.strerror}", FAILED)
    with file:
        yield file
