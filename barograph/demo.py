"""The demonstration: a real day's news, an alert, a signed webhook that arrives."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from barograph.receiver import WebhookReceiver
from barograph.replay_run import Done, Plan, run_plan
from barograph.sample import sample_path
from barograph.settings import Settings, SinkGroup
from barograph.summary import show

_SHOWN = 5


@dataclass(frozen=True)
class Shown:
    """What the demonstration came to."""

    done: Done
    received: int
    refused: int


def run_demo(
    settings: Settings, folder: Path, progress: Callable[[int], None], console: Console
) -> Shown:
    """Replay the sample into ``folder`` and deliver its alerts to a receiver of our own."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    receiver = WebhookReceiver([secret])
    receiver.start()
    try:
        sink = SinkGroup.model_validate(
            {
                "type": "webhook",
                "name": "demo",
                "url": receiver.url,
                "secrets": [secret],
                "allow_private": True,
            }
        )
        plan = Plan(
            source=str(sample_path()),
            batch_size=32,
            alerts=folder / "alerts.jsonl",
            picture=folder / "picture.png",
            deliver=True,
        )
        update = {"sinks": (sink,), "series_by": ("all", "topic")}
        done = run_plan(settings.model_copy(update=update), plan, progress, console)
    finally:
        receiver.stop()
    show(done.tally, done.seconds, console)
    fired = [effect for effect in receiver.effects if effect.content["type"] == "alert.firing"]
    if fired:
        first = min(fired, key=lambda effect: str(effect.content["timestamp"]))
        _show_alert(first.content, first.id, console)
    shown = Shown(done, len(receiver.effects), receiver.refused)
    _show_files(shown, plan, receiver.url, console)
    return shown


def _show_alert(content: dict[str, Any], identity: str, console: Console) -> None:
    data = content["data"]
    evidence = Table(box=None, show_header=False, padding=(0, 1))
    evidence.add_column(no_wrap=True, style="dim")
    evidence.add_column(no_wrap=True, style="red")
    evidence.add_column(overflow="fold")
    for document in data["documents"][:_SHOWN]:
        evidence.add_row(
            document["published_at"][11:16],
            f"{document['negative_probability']:.0%}",
            f"{document['title']} [dim]({document['source']})[/]",
        )
    console.print(
        Panel(
            data["summary"],
            title=f"{content['type']}: {data['series']}, {data['severity']}",
            subtitle=f"p = {data['p_value']:.2g}, as received in webhook {identity}",
            border_style="red",
        )
    )
    console.print("Its evidence, the most negative first:")
    console.print(evidence)


def _show_files(shown: Shown, plan: Plan, url: str, console: Console) -> None:
    verified = "all signatures verified" if not shown.refused else f"{shown.refused} refused"
    console.print(
        f"[bold]{shown.received}[/] webhooks arrived at {url}: {verified}", soft_wrap=True
    )
    for what, path in (("picture", plan.picture), ("alert lines", plan.alerts)):
        console.print(f"{what}: {path}", markup=False, soft_wrap=True)
