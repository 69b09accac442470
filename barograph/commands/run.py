"""``barograph run``: the daemon."""

from pathlib import Path
from typing import Annotated

import typer

from barograph.commands.common import FAILED, refuse, settings_of


def run(
    context: typer.Context,
    roles: Annotated[
        str, typer.Option(help="ingest,classify,watch,deliver,serve in any combination, or all.")
    ] = "all",
    input: Annotated[
        str | None, typer.Option(help="Also read this file, or - for standard input.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where state is kept.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="HTTP port.")] = None,
) -> None:
    """Watch a stream until told to stop (SIGTERM or Ctrl-C: finishes what is in hand).

    Roles: ingest takes documents over HTTP and from --input; classify reads the topics and
    writes readings; watch keeps windows and raises alerts; deliver sends them; serve answers
    GET /v1/alerts. Every process answers /health, /ready and /metrics.

    Without Kafka and Redis one process does it all, with its data in --data-dir. The token for
    HTTP is made at the first start and kept in its file http-token.

    Examples:
      barograph run

      curl -H "Authorization: Bearer $(cat barograph-data/http-token)" -H "Content-Type:
      application/json" -d '{"text": "Shares plunge", "published_at": "2026-01-05T14:30:00Z"}'
      http://127.0.0.1:8080/v1/documents

      BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 BAROGRAPH_REDIS__URL=redis://store:6379
      barograph run --roles classify

    """
    from barograph import logs
    from barograph.assembly import run_roles
    from barograph.daemon import chosen_roles
    from barograph.settings import SettingsProblem
    from barograph.valkey import ServerProblem
    from classifier.registry import ModelProblem

    given: dict[str, object] = {}
    if data_dir is not None:
        given["data_dir"] = data_dir
    if port is not None:
        given["http"] = {"port": port}
    settings = settings_of(context, **given)
    try:
        chosen = chosen_roles(roles, settings.embedded)
    except ValueError as problem:
        refuse(str(problem))
    if input is not None and "ingest" not in chosen:
        refuse("--input needs the role ingest")
    log = logs.set_up(settings.log.level, settings.log.format)
    try:
        code = run_roles(settings, chosen, input, log)
    except SettingsProblem as problem:
        refuse(str(problem))
    except (ModelProblem, ServerProblem) as problem:
        refuse(str(problem), FAILED)
    raise typer.Exit(code)
