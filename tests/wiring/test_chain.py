"""The chained stages: the same alerts whatever the batches, the faults and the restarts."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from alerts.line import alert_line
from alerts.rules import WatchConfig
from alerts.store import StoreUnavailable
from alerts.watch import PartitionWatch
from barograph.chain import Chain, Wait, end_marks
from barograph.chain_role import ChainRole
from barograph.input_role import InboxTaker, InputRole
from barograph.intake import Accepted, Busy, Inbox
from barograph.supervisor import Fatal, Pulse, Trouble
from classifier.engine import Prediction
from classifier.labels import TOPICS
from classifier.stage import ClassifyStage
from ingest.dead_letters import DeadLetterFile, ShareLimit
from ingest.lateness import OriginClock
from ingest.meter import NullMeter
from ingest.parse import Policy
from ingest.record import Origin, Record
from tests.wiring.memory_store import MemoryStore
from tests.wiring.stream import documents, lines

FILE = Origin("file")
NOW = 1_790_000_000_000
CONFIG = WatchConfig()


class Reader:
    """An engine that finds a text negative if it is one of the stream's bad ones."""

    model_version = "reader-1"

    def __init__(self) -> None:
        self.read: list[str] = []

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        self.read += texts
        bad = ("plunge", "slump", "fraud", "lose", "sell", "recall", "miss", "default", "scandal")
        topic = tuple(float(i == 0) for i in range(len(TOPICS)))
        return [
            Prediction(topic, (0.9, 0.1, 0.0) if any(w in t for w in bad) else (0.1, 0.8, 0.1))
            for t in texts
        ]


def never(reason: str) -> None:
    raise AssertionError(reason)


def make_chain(
    store: MemoryStore, clock: OriginClock, wait: Wait = never, reader: Reader | None = None
) -> Chain:
    engine = reader or Reader()
    stage = ClassifyStage(lambda: engine, Policy(b"key"), clock, ("symbol", "all"))
    return Chain(stage, clock, lambda: PartitionWatch(CONFIG), store, alert_line, wait)


def records() -> list[Record]:
    return [Record(line.encode(), FILE, i) for i, line in enumerate(lines().splitlines(), 1)]


def run(store: MemoryStore, size: int, restart_every: int = 0) -> list[bytes]:
    """All records in batches; a new process takes over after every few of them."""
    everything = records()
    clock = OriginClock(CONFIG.allowed_lateness_ms)
    chain = make_chain(store, clock)
    chain.open()
    for number, start in enumerate(range(0, len(everything), size)):
        if restart_every and number % restart_every == 0:
            clock = OriginClock(CONFIG.allowed_lateness_ms)
            chain = make_chain(store, clock)
            chain.open()
        batch = everything[start : start + size]
        chain.commit(batch, chain.classify(batch, NOW, (str(FILE),)))
    chain.mark(end_marks([FILE], clock, NOW))
    return sorted(store.outbox)


def test_batches_and_restarts_make_no_difference() -> None:
    once = run(MemoryStore(), 500)
    assert {json.loads(line)["type"] for line in once} >= {"firing", "resolved"}
    assert run(MemoryStore(), 1) == once
    assert run(MemoryStore(), 7) == once
    assert run(MemoryStore(), 7, restart_every=1) == once
    assert run(MemoryStore(), 1, restart_every=5) == once


def test_a_successor_knows_the_place_and_the_clock_of_each_origin() -> None:
    store = MemoryStore()
    run(store, 50)
    clock = OriginClock(CONFIG.allowed_lateness_ms)
    chain = make_chain(store, clock)
    chain.open()
    assert chain.places[str(FILE)].offset == len(records())
    assert clock.greatest(FILE) == chain.places[str(FILE)].greatest is not None


def test_a_batch_of_refused_records_moves_the_place_too() -> None:
    store = MemoryStore()
    clock = OriginClock(CONFIG.allowed_lateness_ms)
    chain = make_chain(store, clock)
    chain.open()
    bad = [Record(b"broken", FILE, 1)]
    step = chain.commit(bad, chain.classify(bad, NOW, (str(FILE),)))
    assert len(step.batch.dead_letters) == 1
    again = make_chain(store, clock)
    again.open()
    assert again.places[str(FILE)].offset == 1


def test_a_commit_waits_for_the_store_and_then_counts_once() -> None:
    store = MemoryStore()
    waits: list[str] = []

    def wait(reason: str) -> None:
        waits.append(reason)
        store.down = len(waits) < 3

    clock = OriginClock(CONFIG.allowed_lateness_ms)
    chain = make_chain(store, clock, wait)
    chain.open()
    everything = records()
    batch = chain.classify(everything, NOW, (str(FILE),))
    store.down = True
    chain.commit(everything, batch)
    chain.mark(end_marks([FILE], clock, NOW))
    assert len(waits) == 3
    assert sorted(store.outbox) == run(MemoryStore(), 500)


# The role around the chain.


class Daemon:
    """A chain role in a thread, with everything that a test wants to see."""

    def __init__(
        self, folder: Path, store: MemoryStore, share: float = 1.0, times_faster: int = 1
    ) -> None:
        self.store = store
        self.reader = Reader()
        began = time.monotonic()

        def wall() -> int:
            return NOW + round((time.monotonic() - began) * 1000 * times_faster)

        self.inbox = Inbox(100, wall)
        self.letters = DeadLetterFile(folder / "dead.jsonl")
        self.stop = threading.Event()
        self.pulse = Pulse(time.monotonic)
        self.problem: BaseException | None = None
        self.role = ChainRole(
            inbox=self.inbox,
            make_chain=lambda wait, clock: make_chain(store, clock, wait, self.reader),
            make_clock=lambda: OriginClock(CONFIG.allowed_lateness_ms),
            dead_letters=self.letters,
            limit=ShareLimit(share, minimum=10),
            meter=NullMeter(),
            log=structlog.get_logger(),
            wall=wall,
            batch_size=50,
            linger=0.01,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.role.run(self.stop, self.pulse)
        except Exception as problem:
            self.problem = problem

    def start(self) -> "Daemon":
        self._thread.start()
        return self

    def end(self) -> None:
        self.stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(10)


Make = Callable[..., Daemon]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Make]:
    made: list[Daemon] = []

    def make(store: MemoryStore | None = None, share: float = 1.0, times_faster: int = 1) -> Daemon:
        made.append(Daemon(tmp_path, store or MemoryStore(), share, times_faster))
        return made[-1].start()

    yield make
    for one in made:
        one.end()


def accepted(count: int) -> list[Accepted]:
    some = list(documents())[:count]
    return [Accepted(d["id"], "news", json.dumps(d).encode()) for d in some]


def test_http_is_answered_when_the_documents_are_committed(daemon: Make) -> None:
    running = daemon()
    running.inbox.take(accepted(5), [], 5)
    assert running.store.fences[0].offset >= 10
    assert b"http/0" in running.store.strings[(0, "places")]


def test_http_is_told_when_the_store_does_not_come_back(daemon: Make) -> None:
    running = daemon()
    running.inbox.take(accepted(1), [], 5)
    running.store.down = True
    with pytest.raises(Busy):
        running.inbox.take(accepted(2), [], 0.3)
    assert running.pulse.trouble is not None
    assert "the store does not answer" in running.pulse.trouble
    running.store.down = False
    running.inbox.take(accepted(3), [], 5)


def test_a_full_inbox_says_so_at_once() -> None:
    inbox = Inbox(3, lambda: NOW)  # nobody takes anything
    with pytest.raises(Busy):
        inbox.take(accepted(3), [], 0.05)
    began = time.monotonic()
    with pytest.raises(Busy, match="too many"):
        inbox.take(accepted(1), [], 0.05)
    assert time.monotonic() - began < 2


def test_too_many_dead_letters_are_fatal_and_kept(daemon: Make) -> None:
    running = daemon(share=0.5)
    bad = [Accepted(str(i), "news", b"broken") for i in range(20)]
    running.inbox.take(bad, [], 5)
    running.join()
    assert isinstance(running.problem, Fatal)
    assert "20 of the last 20 records" in str(running.problem)
    assert len(list(running.letters.read())) == 20


def test_another_owner_of_the_store_makes_the_role_begin_anew(daemon: Make) -> None:
    running = daemon()
    running.inbox.take(accepted(1), [], 5)
    running.store.claim(0)
    with pytest.raises(Busy):
        running.inbox.take(accepted(2), [], 2)
    running.join()
    assert isinstance(running.problem, Trouble)


def read(running: Daemon, file: Path) -> None:
    stop = threading.Event()
    taker = InboxTaker(running.inbox)
    role = InputRole(str(file), taker, structlog.get_logger(), lambda: NOW)
    role.run(stop, Pulse(time.monotonic))


def test_a_file_is_taken_once_even_over_a_restart(daemon: Make, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    whole = lines()
    file.write_text("".join(whole.splitlines(keepends=True)[:100]))
    store = MemoryStore()
    first = daemon(store)
    read(first, file)
    first.end()
    file.write_text(whole)  # it has grown meanwhile
    second = daemon(store)
    read(second, file)
    second.end()
    texts = [document["text"] for document in documents()]
    assert first.reader.read == texts[:100]
    assert second.reader.read == texts[100:]


def test_a_stream_that_falls_silent_still_resolves_its_alert(daemon: Make, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(lines().splitlines(keepends=True)[:132]))  # up to the bad news
    running = daemon(times_faster=20_000)
    read(running, file)
    deadline = time.monotonic() + 20
    while not any(b'"resolved"' in line for line in list(running.store.outbox)):
        assert time.monotonic() < deadline, running.store.outbox
        time.sleep(0.02)


def test_a_store_that_is_away_at_the_start_is_trouble_not_the_end(daemon: Make) -> None:
    store = MemoryStore()
    store.down = True
    running = daemon(store)
    running.join()
    assert isinstance(running.problem, Trouble)
    assert isinstance(running.problem.__cause__, StoreUnavailable)
