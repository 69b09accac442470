"""The command line: ``barograph``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from barograph.commands import check as check_command
from barograph.commands import classify, dead_letters, evaluate, run
from barograph.commands import demo as demo_command
from barograph.commands import replay as replay_command
from barograph.commands import train as train_command

_ABOUT = """
A monitor of financial sentiment: from a stream of news and comments to a signed alert.

See it work:  [bold]barograph demo[/]

Try your data:  [bold]barograph replay news.jsonl.gz --picture news.png[/]

Run it for real:  [bold]barograph check[/], then  [bold]barograph run[/]

Settings come from variables BAROGRAPH_... (BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS=host:9092) or from
a file given with --config. With no Kafka and no Redis set, one process does everything.

Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 70 gave up on a stuck part (start it
again); 130 interrupted.
"""

app = typer.Typer(
    name="barograph",
    help=_ABOUT,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _settings_file(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings file: TOML or YAML.")
    ] = None,
) -> None:
    context.obj = config


_SEE, _WORK, _CARE = "See it work", "Run it", "Look after it"
app.command(rich_help_panel=_SEE)(demo_command.demo)
app.command(rich_help_panel=_SEE)(replay_command.replay)
app.command(rich_help_panel=_SEE)(classify.classify)
app.command(rich_help_panel=_SEE)(evaluate.evaluate)
app.command(rich_help_panel=_WORK)(run.run)
app.command(rich_help_panel=_WORK)(check_command.check)
app.command(rich_help_panel=_CARE)(train_command.train)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=_CARE)


@app.command(rich_help_panel=_CARE)
def version() -> None:
    """Print the versions of the program and of the model in service."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from classifier.registry import ModelProblem, Registry

    try:
        program = installed("barograph")
    except PackageNotFoundError:
        program = "not installed"
    try:
        model = Registry().champion().name
    except ModelProblem as problem:
        model = f"none ({problem})"
    print(f"barograph {program}\nmodel {model}\npython {sys.version.split()[0]}")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is left must not be flushed into nothing.
        sys.stderr.close()
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
