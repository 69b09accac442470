"""Keeps the roles running: a thread for each, a pulse, restarts with backoff, readiness.

A role that raises is logged and started again. One whose pulse stops is reported as stuck; a
thread cannot be ended from outside, so after a longer while the whole process gives up and
leaves the restart to whatever started it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from barograph.logs import Logger, redacted
from ingest.meter import Meter

GAVE_UP = 70

Monotonic = Callable[[], float]


class Fatal(Exception):
    """Trouble that a restart cannot heal: the process stops with this message."""


class Trouble(Exception):
    """Trouble from outside that may pass: the role is started again; its text is enough."""


class Pulse:
    """What a role tells its supervisor. Safe to call from the role's thread only."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self.beaten_at = monotonic()
        self.trouble: str | None = "starting"

    def beat(self) -> None:
        """Say: alive, and nothing is wrong."""
        self.beaten_at = self._monotonic()
        self.trouble = None

    def complain(self, trouble: str) -> None:
        """Say: alive, but waiting for something to come back."""
        self.beaten_at = self._monotonic()
        self.trouble = trouble


class Role(Protocol):
    """A part of the daemon that runs until it is told to stop."""

    name: str

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Work until ``stop`` is set, then finish what is in hand and return.

        Beats at least every few seconds. May be called again after it has raised.
        """


@dataclass(frozen=True)
class Patience:
    """How long (s) until a silent role counts as stuck and the process gives up; backoff."""

    stall: float = 30.0
    give_up: float = 180.0
    backoff: float = 0.5
    backoff_most: float = 30.0


class Supervisor:
    """Runs roles. ``fatal`` holds the message of the trouble that ended the work, if any."""

    def __init__(
        self,
        roles: list[Role],
        patience: Patience,
        meter: Meter,
        log: Logger,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.stop = threading.Event()
        self.fatal: str | None = None
        self._roles = roles
        self._patience = patience
        self._meter = meter
        self._log = log
        self._monotonic = monotonic
        self._pulses = {role.name: Pulse(monotonic) for role in roles}
        self._threads = {
            role.name: threading.Thread(
                target=self._keep, args=(role,), name=f"role-{role.name}", daemon=True
            )
            for role in roles
        }
        self._told: set[str] = set()

    def start(self) -> None:
        """Start every role's thread."""
        for thread in self._threads.values():
            thread.start()

    def problems(self) -> list[str]:
        """Why the process is not ready; empty where it is."""
        found = []
        for name, pulse in self._pulses.items():
            silent = self._monotonic() - pulse.beaten_at
            if self._threads[name].is_alive() and silent > self._patience.stall:
                found.append(f"{name}: stuck, no sign of life for {silent:.0f} s")
            elif pulse.trouble is not None:
                found.append(f"{name}: {pulse.trouble}")
        if self.stop.is_set():
            found.append("stopping")
        return found

    def look(self) -> str | None:
        """Log who is stuck and measure; return why the process must give up, if it must."""
        for name, pulse in self._pulses.items():
            silent = self._monotonic() - pulse.beaten_at
            stuck = self._threads[name].is_alive() and silent > self._patience.stall
            self._meter.set("barograph_role_up", pulse.trouble is None and not stuck, role=name)
            if stuck and name not in self._told:
                self._told.add(name)
                self._log.error("a role is stuck", role=name, silent_seconds=round(silent))
            elif not stuck and name in self._told:
                self._told.discard(name)
                self._log.info("a role moves again", role=name)
            if stuck and silent > self._patience.give_up:
                return f"the role {name} has been stuck for {silent:.0f} s"
        return None

    def drain(self, timeout: float) -> list[str]:
        """Tell the roles to stop and wait; return the names of those that did not, if any."""
        self.stop.set()
        deadline = self._monotonic() + timeout
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - self._monotonic()))
        return [name for name, thread in self._threads.items() if thread.is_alive()]

    def finished(self) -> bool:
        """Whether every role has returned by itself (an input that ended)."""
        return not any(thread.is_alive() for thread in self._threads.values())

    def _keep(self, role: Role) -> None:
        pulse = self._pulses[role.name]
        pause = self._patience.backoff
        while not self.stop.is_set():
            began = self._monotonic()
            try:
                role.run(self.stop, pulse)
            except Fatal as problem:
                self._log.error("stopping", role=role.name, reason=str(problem))
                self.fatal = str(problem)
                self.stop.set()
            except Exception as problem:
                if self._monotonic() - began > 10 * pause:
                    pause = self._patience.backoff
                self._report(role.name, problem, pause)
                self._meter.add("barograph_role_restarts", role=role.name)
                self._pause(pulse, _named(problem), pause)
                pause = min(2 * pause, self._patience.backoff_most)
            else:
                return

    def _report(self, role: str, problem: Exception, pause: float) -> None:
        known = isinstance(problem, Trouble)
        self._log.error(
            "a role waits and is started again" if known else "a role failed and is started again",
            role=role,
            problem=str(problem),
            after_seconds=round(pause, 2),
            exc_info=None if known else problem,
        )

    def _pause(self, pulse: Pulse, trouble: str, seconds: float) -> None:
        """Wait, alive: the backoff is no stall."""
        end = self._monotonic() + seconds
        while not self.stop.is_set() and (left := end - self._monotonic()) > 0:
            pulse.complain(trouble)
            self.stop.wait(min(left, 1.0))


def _named(problem: Exception) -> str:
    known = isinstance(problem, Trouble)
    return redacted(str(problem) if known else f"failed ({type(problem).__name__}: {problem})")
