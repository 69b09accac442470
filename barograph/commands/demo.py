"""``barograph demo``: see it work."""

from pathlib import Path
from typing import Annotated

import typer

from barograph.commands.common import FAILED, console, progress, refuse, settings_of


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the picture and the alerts.")] = Path(
        "demo"
    ),
) -> None:
    """Replay a sample of news around a real market event and watch an alert arrive.

    A few hundred headlines and comments go through the very stages that run live. The alert is
    sent as a signed webhook to a receiver that this command starts and that checks the
    signature. Takes seconds, needs no network, leaves a picture and the alert lines in --out.
    """
    from barograph.demo import run_demo
    from barograph.valkey import ServerProblem
    from classifier.registry import ModelProblem
    from ingest.files import SourceError

    settings = settings_of(context)
    try:
        with progress("replayed") as advance:
            shown = run_demo(settings, out, advance, console)
    except (SourceError, ModelProblem, ServerProblem, OSError) as problem:
        refuse(str(problem), FAILED)
    if not shown.received or shown.refused:
        console.print("No alert has arrived: something is wrong with this installation.")
        raise typer.Exit(FAILED)
    console.print(
        "Next: barograph replay YOUR-FILE --picture news.png, or barograph run", markup=False
    )
