"""``barograph replay``: the past through the same stages."""

import json
from pathlib import Path
from typing import Annotated

import typer

from barograph.commands.common import (
    FAILED,
    INTERRUPTED,
    console,
    progress,
    refuse,
    settings_of,
)
from barograph.settings import Settings


def replay(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="A file (JSONL, CSV, .gz), - for standard input, or kafka:TOPIC[,TOPIC]."
        ),
    ],
    alerts: Annotated[Path | None, typer.Option(help="Write alert lines (JSONL) here.")] = None,
    series_by: Annotated[
        list[str] | None,
        typer.Option(help="topic, symbol, source, subject or all; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on standard output.")
    ] = False,
    speed: Annotated[
        str, typer.Option(help="max, 1x (as it was), 60x (a minute a second).")
    ] = "max",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Records at once.")] = None,
    start: Annotated[
        str, typer.Option("--from", help="Kafka: beginning, an offset, or a time.")
    ] = "beginning",
    end: Annotated[str, typer.Option("--to", help="Kafka: end, an offset, or a time.")] = "end",
    picture: Annotated[
        Path | None, typer.Option(help="Draw the series and their alerts (.png or .html).")
    ] = None,
    deliver: Annotated[
        bool, typer.Option(help="Really send the alerts to the configured sinks.")
    ] = False,
    dead_letters: Annotated[
        Path | None, typer.Option(help="Keep refused records in this file.")
    ] = None,
) -> None:
    """Run a recorded stream through the very stages that run live, and say what they found.

    The result does not depend on --speed or --batch-size. Nothing is sent and no live state is
    touched unless --deliver is given.

    Alert lines have the keys alert_id, sequence, type (firing, escalated, resolved), series,
    event_time, started_at, severity, rule, window_seconds, observed_negative, expected_negative,
    observed_total, share, usual_share, p_value, p_value_share, copies, warming_up,
    model_versions, summary, evidence (document ids).

    Examples:
      barograph replay news.jsonl.gz --alerts alerts.jsonl --picture news.png

      barograph replay tweets.jsonl.gz --series-by symbol --series-by all --json

      barograph replay kafka:news,comments --from 2026-01-05T00:00:00Z --to 2026-01-06T00:00:00Z

    """
    from barograph.replay_run import Plan, run_plan
    from barograph.settings import SettingsProblem
    from barograph.summary import show
    from barograph.valkey import ServerProblem
    from classifier.registry import ModelProblem
    from ingest.files import SourceError
    from ingest.kafka_settings import BrokerProblem

    settings = settings_of(context, **({"series_by": series_by} if series_by else {}))
    _refuse_what_cannot_work(settings, source, picture, deliver)
    plan = Plan(
        source=source,
        batch_size=batch_size or settings.classify.batch_size,
        speed=_factor(speed),
        start=start,
        end=end,
        alerts=alerts,
        picture=picture,
        deliver=deliver,
        dead_letters=dead_letters,
    )
    try:
        with progress("replayed") as advance:
            done = run_plan(settings, plan, advance, console)
    except SettingsProblem as problem:
        refuse(str(problem))
    except (SourceError, BrokerProblem, ModelProblem, ServerProblem, OSError) as problem:
        refuse(str(problem), FAILED)
    if as_json:
        summary = done.tally.as_dict(done.seconds) | {"interrupted": done.interrupted}
        print(json.dumps(summary, ensure_ascii=False, indent=2))
    else:
        show(done.tally, done.seconds, console)
    for what, path in (("alert lines", alerts), ("picture", picture), ("refused", dead_letters)):
        if path is not None and path.exists():
            console.print(f"{what}: {path}", markup=False, soft_wrap=True)
    if done.interrupted:
        console.print("Interrupted: this is what was found until then.")
        raise typer.Exit(INTERRUPTED)


def _factor(speed: str) -> float | None:
    from barograph.replay import parse_speed

    try:
        return parse_speed(speed)
    except ValueError:
        refuse(f"--speed {speed!r}: say max, 1x, 60x or another number with an x")


def _refuse_what_cannot_work(
    settings: Settings, source: str, picture: Path | None, deliver: bool
) -> None:
    if picture is not None and picture.suffix.lower() not in (".png", ".html"):
        refuse(f"--picture {picture}: the name ends in .png or .html")
    if source.startswith("kafka:") and settings.embedded:
        refuse("a replay from Kafka needs BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS")
    if deliver and not settings.sinks:
        refuse("--deliver needs sinks to deliver to: set BAROGRAPH_SINKS")
