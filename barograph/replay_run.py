"""A replay from its source to its files: the effects around ``barograph.replay``."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain as chained
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from alerts.line import alert_line
from alerts.transition import Transition
from barograph import wiring
from barograph.complaints import Complaints
from barograph.picture import Timeline, draw
from barograph.replay import Watchers, batched, paced, run_replay
from barograph.settings import Settings
from barograph.summary import Tally
from ingest.dead_letters import DeadLetterFile
from ingest.files import read_records
from ingest.kafka_settings import BrokerProblem
from ingest.meter import NullMeter
from ingest.record import DeadLetter, Record

_TOLD = 10
_DELIVER_FOR_S = 60.0


@dataclass(frozen=True)
class Plan:
    """What to replay and what to leave behind; ``speed`` None is as fast as it goes."""

    source: str
    batch_size: int = 256
    speed: float | None = None
    start: str = "beginning"
    end: str = "end"
    alerts: Path | None = None
    picture: Path | None = None
    deliver: bool = False
    dead_letters: Path | None = None


@dataclass(frozen=True)
class Done:
    """What came of it; ``delivered`` are attempts, where delivering was asked for."""

    tally: Tally
    timeline: Timeline | None
    seconds: float
    interrupted: bool
    waiting: int = 0


def run_plan(
    settings: Settings,
    plan: Plan,
    progress: Callable[[int], None],
    console: Console,
    wall: Callable[[], int] = wiring.wall_clock,
) -> Done:
    """Replay with a throwaway store.

    Raises SourceError, BrokerProblem, ModelProblem, ServerProblem, SettingsProblem, OSError.
    """
    meter = NullMeter()
    with ExitStack() as stack:
        origins, records = _open_source(settings, plan)
        policy = wiring.throwaway_policy(settings)
        engine = wiring.open_engine(settings)
        client = stack.enter_context(wiring.throwaway_client())
        deliverer = None
        if plan.deliver:
            deliverer = wiring.deliverer(settings, client, wall, meter)
            stack.callback(deliverer.close)
        clock = wiring.origin_clock(settings)
        stage = wiring.classify_stage(settings, lambda: engine, policy, clock, meter)
        chain = wiring.chain(settings, stage, clock, client, meter, _no_wait, replay=True)
        chain.open()
        timeline = Timeline(settings.watch_config()) if plan.picture else None
        watchers = _watchers(plan, timeline, progress, console, stack)
        stopped = stack.enter_context(_interruptible())
        if plan.speed is None:
            batches = batched(records, plan.batch_size)
        else:
            batches = paced(
                records, plan.batch_size, plan.speed, policy, wall(), sleep=_nap(stopped)
            )
        began = time.monotonic()
        tally = run_replay(batches, chain, clock, origins, watchers, wall, stopped)
        seconds = time.monotonic() - began
        waiting = 0
        if deliverer is not None:
            waiting = _deliver(deliverer, wiring.waiting(settings, client), stopped, console)
        if timeline is not None and plan.picture is not None:
            draw(plan.picture, timeline, list(tally.episodes.values()), _title(plan))
        return Done(tally, timeline, seconds, stopped(), waiting)


def _open_source(settings: Settings, plan: Plan) -> tuple[tuple[str, ...], Iterator[Record]]:
    """The names of all origins, and the records."""
    if not plan.source.startswith("kafka:"):
        return ("file/0",), read_records(plan.source, "file")
    from ingest.broker import Between, ensure_topics, read_range

    topics = [name for name in plan.source.removeprefix("kafka:").split(",") if name]
    if not topics:
        raise BrokerProblem("kafka: names no topic", "say kafka:news or kafka:news,comments")
    config = settings.kafka_config("replay")
    records = read_range(config, topics, Between(plan.start, plan.end))
    # Its first step refuses a topic that does not exist, which is why none is created below.
    first = next(records, None)
    counts = ensure_topics(config, dict.fromkeys(topics, 1))
    origins = tuple(f"{topic}/{i}" for topic in topics for i in range(counts[topic]))
    return origins, records if first is None else chained((first,), records)


def _watchers(
    plan: Plan,
    timeline: Timeline | None,
    progress: Callable[[int], None],
    console: Console,
    stack: ExitStack,
) -> Watchers:
    lines: Any = None
    if plan.alerts is not None:
        plan.alerts.parent.mkdir(parents=True, exist_ok=True)
        lines = stack.enter_context(plan.alerts.open("wb"))
    letters = DeadLetterFile(plan.dead_letters) if plan.dead_letters is not None else None
    complaints = Complaints(console, "refused records", _TOLD)

    def transitions(found: list[Transition]) -> None:
        if lines is not None:
            lines.writelines(alert_line(transition) + b"\n" for transition in found)

    def dead(found: list[DeadLetter]) -> None:
        if letters is not None:
            letters.append(found)
        for letter in found:
            place = f"{letter.record.origin.name} {letter.record.offset}"
            complaints.tell(f"refused {place}: {letter.reason}")

    nothing = Watchers()
    readings = timeline.add if timeline is not None else nothing.readings
    return Watchers(readings, transitions, dead, progress)


def _deliver(
    deliverer: Any, waiting: Callable[[], int], stopped: Callable[[], bool], console: Console
) -> int:
    """Attempt until nothing waits; a receiver that is away is not waited for forever."""
    deadline = time.monotonic() + _DELIVER_FOR_S
    while (left := waiting()) and time.monotonic() < deadline and not stopped():
        if not deliverer.step():
            time.sleep(0.05)
    if left:
        console.print(f"{left} deliveries did not arrive; a replay does not try for longer")
    return left


def _nap(stopped: Callable[[], bool]) -> Callable[[float], None]:
    """A sleep that an interruption ends."""

    def sleep(seconds: float) -> None:
        end = time.monotonic() + seconds
        while not stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    return sleep


def _no_wait(reason: str) -> None:
    raise OSError(f"the replay's own store is gone: {reason}")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks to stop after this batch; a second one stops at once."""
    asked: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _title(plan: Plan) -> str:
    return f"Replay of {'standard input' if plan.source == '-' else Path(plan.source).name}"
