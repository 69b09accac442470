"""The supervisor: crashed and stuck roles are noticed, told and, if possible, restarted."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from barograph.supervisor import Fatal, Patience, Pulse, Role, Supervisor, Trouble
from ingest.meter import NullMeter

QUICK = Patience(stall=5.0, give_up=60.0, backoff=0.02, backoff_most=0.05)


class Scripted:
    """A role that does what a test says; ``runs`` counts how often it was started."""

    def __init__(self, name: str, act: Callable[[int, threading.Event, Pulse], None]) -> None:
        self.name = name
        self.runs = 0
        self._act = act

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        self.runs += 1
        self._act(self.runs, stop, pulse)


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def supervise(role: Role, **more: Any) -> Supervisor:
    log = structlog.get_logger()
    return Supervisor([role], more.pop("patience", QUICK), NullMeter(), log, **more)


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def rest(stop: threading.Event, pulse: Pulse) -> None:
    while not stop.wait(0.01):
        pulse.beat()


def test_a_role_that_crashes_is_started_again() -> None:
    def act(run: int, stop: threading.Event, pulse: Pulse) -> None:
        if run < 3:
            raise RuntimeError("boom")
        rest(stop, pulse)

    role = Scripted("watch", act)
    supervisor = supervise(role)
    supervisor.start()
    until(lambda: role.runs == 3 and not supervisor.problems())
    assert supervisor.drain(5) == []


def test_while_a_role_is_down_the_reason_can_be_read() -> None:
    def act(_run: int, _stop: threading.Event, _pulse: Pulse) -> None:
        raise Trouble("the store redis://:secret@host/0 does not answer")

    supervisor = supervise(Scripted("watch", act), patience=Patience(backoff=60))
    supervisor.start()
    told = "watch: the store redis://***@host/0 does not answer"
    until(lambda: supervisor.problems() == [told])
    began = time.monotonic()
    assert supervisor.drain(5) == []
    assert time.monotonic() - began < 3, "a pause must not hold up the end"


def test_a_silent_role_is_stuck_and_in_the_end_the_process_gives_up() -> None:
    clock, go = Hand(), threading.Event()

    def act(_run: int, _stop: threading.Event, pulse: Pulse) -> None:
        pulse.beat()
        go.wait()

    supervisor = supervise(Scripted("classify", act), monotonic=clock)
    supervisor.start()
    until(lambda: not supervisor.problems())
    clock.now = 6.0
    assert supervisor.problems() == ["classify: stuck, no sign of life for 6 s"]
    assert supervisor.look() is None
    clock.now = 61.0
    assert supervisor.look() == "the role classify has been stuck for 61 s"
    go.set()


def test_a_role_that_moves_again_is_ready_again() -> None:
    clock, go = Hand(), threading.Event()

    def act(_run: int, stop: threading.Event, pulse: Pulse) -> None:
        pulse.beat()
        go.wait()
        rest(stop, pulse)

    supervisor = supervise(Scripted("classify", act), monotonic=clock)
    supervisor.start()
    until(lambda: not supervisor.problems())
    clock.now = 6.0
    assert supervisor.problems()
    go.set()
    until(lambda: not supervisor.problems())
    supervisor.drain(5)


def test_fatal_trouble_stops_everything_with_its_message() -> None:
    def act(_run: int, _stop: threading.Event, _pulse: Pulse) -> None:
        raise Fatal("half of all records are refused")

    supervisor = supervise(Scripted("classify", act))
    supervisor.start()
    assert supervisor.stop.wait(5)
    assert supervisor.fatal == "half of all records are refused"


def test_a_role_that_does_not_stop_is_named() -> None:
    go = threading.Event()
    supervisor = supervise(Scripted("deliver", lambda _run, _stop, _pulse: (go.wait(), None)[1]))
    supervisor.start()
    assert supervisor.drain(0.05) == ["deliver"]
    go.set()


def test_a_role_is_not_ready_before_its_first_sign_of_life() -> None:
    go = threading.Event()
    supervisor = supervise(Scripted("watch", lambda _run, _stop, _pulse: (go.wait(), None)[1]))
    supervisor.start()
    assert supervisor.problems() == ["watch: starting"]
    go.set()


@pytest.mark.parametrize("failures", [1, 4])
def test_restarts_are_counted(failures: int) -> None:
    counted: list[dict[str, str]] = []

    class Counting(NullMeter):
        def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
            if name == "barograph_role_restarts":
                counted.append(labels)

    def act(run: int, stop: threading.Event, pulse: Pulse) -> None:
        if run <= failures:
            raise RuntimeError("boom")
        rest(stop, pulse)

    role = Scripted("watch", act)
    supervisor = Supervisor([role], QUICK, Counting(), structlog.get_logger())
    supervisor.start()
    until(lambda: role.runs == failures + 1)
    supervisor.drain(5)
    assert counted == [{"role": "watch"}] * failures
