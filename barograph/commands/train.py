"""``barograph train``: a new model version from labelled data."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from barograph.commands.common import FAILED, console, refuse

_PLAIN_EVERY = 100


def train(
    data: Annotated[
        Path, typer.Option(help="Folder of *_train.jsonl.gz, *_dev.jsonl.gz and stream_*.jsonl.gz.")
    ],
    version: Annotated[str, typer.Option(help="Name of the new version.")],
    recipe: Annotated[str, typer.Option(help="The choices of the training: default.")] = "default",
    models: Annotated[
        Path | None, typer.Option(help="Folder of the registry; the program's own if absent.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="BERT checkpoint: a folder or a name on the Hugging Face hub."),
    ] = None,
    work: Annotated[
        Path, typer.Option(help="Folder of checkpoints: a run that was cut off goes on there.")
    ] = Path("barograph-data/training"),
    seed: Annotated[int | None, typer.Option(help="Another start of the random numbers.")] = None,
    promote: Annotated[bool, typer.Option(help="Make the new version the champion.")] = True,
) -> None:
    """Train the model and write it as a new version of the registry.

    Takes about an hour on two cores. Stop it when you like: the same command goes on
    where it was, to the same weights.

    Example:
      barograph train --data ../shared/data --version minilm-l6-2026-11-24

    """
    try:
        from trainer.base import find_base
        from trainer.run import run
    except ImportError as problem:
        refuse(f"training needs more packages ({problem.name}): pip install 'barograph[train]'")
    from classifier.registry import SHIPPED
    from trainer.recipe import RECIPES

    if recipe not in RECIPES:
        refuse(f"there is no recipe {recipe}: known are {', '.join(RECIPES)}")
    chosen = RECIPES[recipe] if seed is None else RECIPES[recipe].with_seed(seed)
    try:
        with _progress() as told:
            manifest = run(
                data, models or SHIPPED, version, chosen, find_base(base), work, told, promote
            )
    except (OSError, ValueError) as problem:
        refuse(str(problem), FAILED)
    for name, score in manifest["metrics"].items():
        print(f"{name}: accuracy {score['accuracy']:.4f}, macro-F1 {score['macro_f1']:.4f}")
    print(f"written: {(models or SHIPPED) / version}")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int, float], None]]:
    """A bar for each network where somebody looks; a line now and then where nobody does."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as shown:
        tasks: dict[str, TaskID] = {}

        def told(name: str, step: int, steps: int, loss: float) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=steps, loss=loss)
            shown.update(tasks[name], completed=step, loss=loss)
            if shown.disable and (step % _PLAIN_EVERY == 0 or step == steps):
                console.print(f"{name}: step {step} of {steps}, loss {loss:.3f}")

        yield told
