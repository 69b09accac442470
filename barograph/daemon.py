"""The daemon: roles chosen, started, watched, drained."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from barograph.logs import Logger
from barograph.metrics import PrometheusMeter
from barograph.supervisor import GAVE_UP, Patience, Role, Supervisor

ROLES = ("ingest", "classify", "watch", "deliver", "serve")
_LOOK_EVERY_S = 0.5


def chosen_roles(text: str, embedded: bool) -> frozenset[str]:
    """Roles as written ("classify,watch"; "all"). Raises ValueError with what is allowed."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    chosen = frozenset(ROLES if names == ["all"] else names)
    unknown = sorted(chosen - set(ROLES))
    if unknown or not chosen:
        raise ValueError(
            f"no such role: {', '.join(unknown) or text!r}; there are {', '.join(ROLES)}"
        )
    if embedded and not {"classify", "watch"} <= chosen:
        raise ValueError(
            "without Kafka one process does everything: leave --roles out, keep both classify "
            "and watch in it, or set BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS"
        )
    return chosen


def run_daemon(
    make_roles: Callable[[Callable[[], list[str]]], Sequence[Role]],
    patience: Patience,
    drain_seconds: float,
    meter: PrometheusMeter,
    log: Logger,
) -> int:
    """Run until a signal, fatal trouble or a hopelessly stuck role; returns the exit code.

    ``make_roles`` is given the function that tells why the process is not ready. Call it from
    the main thread: it takes SIGTERM and SIGINT over.
    """
    holder: list[Supervisor] = []
    roles = make_roles(lambda: holder[0].problems() if holder else ["starting"])
    supervisor = Supervisor(list(roles), patience, meter, log)
    holder.append(supervisor)
    asked = _on_signals(supervisor.stop, log)
    log.info("starting", roles=[role.name for role in roles], pid=os.getpid())
    supervisor.start()
    while not supervisor.stop.wait(_LOOK_EVERY_S):
        hopeless = supervisor.look()
        if hopeless is not None:
            log.error("giving up, so that a restart can help", reason=hopeless)
            return GAVE_UP
    if asked:
        log.info("stopping: finishing what is in hand", signal=asked[0])
    left = supervisor.drain(drain_seconds)
    if left:
        log.error("some roles did not stop in time", roles=left)
        return GAVE_UP
    log.info("stopped")
    return 1 if supervisor.fatal is not None else 0


def _on_signals(stop: threading.Event, log: Logger) -> list[str]:
    """Stop on SIGTERM and SIGINT; a second one ends the process at once."""
    asked: list[str] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if asked:
            os._exit(128 + number)
        asked.append(signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return asked
