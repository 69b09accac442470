"""``barograph check``: whether it will run like this."""

from typing import Annotated

import typer
from rich.table import Table

from barograph.commands.common import FAILED, console, settings_of


def check(
    context: typer.Context,
    send_test: Annotated[
        bool, typer.Option(help="Really send a test message to every sink.")
    ] = False,
) -> None:
    """Connect to everything that is configured and say what to do about each failure.

    Tries the data folder, the disk, the model, Kafka (topics, groups, transactions), the store
    (and whether it keeps its data), the HTTP address and the sinks. Exits with 1 if anything
    failed; a warning does not count.
    """
    from barograph.check import check_all

    settings = settings_of(context)
    table = Table(show_lines=False)
    for name in ("what", "", "found", "what to do"):
        table.add_column(name, overflow="fold")
    failed = 0
    with console.status("checking ..."):
        for finding in check_all(settings, send_test):
            failed += finding.ok is False
            mark = {True: "[green]ok[/]", False: "[bold red]failed[/]", None: "[yellow]warn[/]"}
            table.add_row(finding.what, mark[finding.ok], finding.detail, finding.advice)
    console.print(table)
    if failed:
        console.print(f"{failed} of the checks failed.")
        raise typer.Exit(FAILED)
    console.print("It will run like this.")
