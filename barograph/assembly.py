"""The daemon's objects, put together for the chosen roles."""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from alerts.outbox import pack, unpack
from alerts.store import StoreUnavailable
from alerts.transition import Transition
from barograph import wiring
from barograph.api import Limits, Token, build_api
from barograph.chain_role import ChainRole
from barograph.classify_role import ClassifyRole
from barograph.daemon import run_daemon
from barograph.deliver_role import DeliverRole
from barograph.input_role import InboxTaker, InputRole, Taker
from barograph.intake import Busy, Inbox, Intake
from barograph.kafka_intake import KafkaIntake
from barograph.keys import kept_secret
from barograph.logs import Logger
from barograph.metrics import PrometheusMeter
from barograph.serve import HttpRole
from barograph.settings import Settings
from barograph.supervisor import Fatal, Patience, Role, Trouble
from barograph.watch_role import WatchRole
from classifier.engine import Engine
from classifier.serving import ServingEngine
from classifier.stage import ClassifyStage
from ingest.broker import BrokerProblem, ensure_topics
from ingest.dead_letters import DeadLetterFile
from ingest.lateness import OriginClock
from ingest.parse import Policy

NEEDS_STORE = {"watch", "deliver", "serve"}


def run_roles(
    settings: Settings,
    chosen: frozenset[str],
    input_path: str | None,
    log: Logger,
    wall: Callable[[], int] = wiring.wall_clock,
) -> int:
    """Run the chosen roles until told to stop; returns the exit code.

    Raises SettingsProblem, ModelProblem, ServerProblem before anything runs.
    """
    group = settings.daemon
    patience = Patience(
        group.stall_seconds,
        group.give_up_seconds,
        group.backoff_seconds,
        group.backoff_most_seconds,
    )
    meter = PrometheusMeter()
    with ExitStack() as stack:
        parts = _Parts(settings, chosen, input_path, log, wall, meter, stack)
        return run_daemon(parts.roles, patience, group.drain_seconds, meter, log)


@dataclass
class _Parts:
    settings: Settings
    chosen: frozenset[str]
    input_path: str | None
    log: Logger
    wall: Callable[[], int]
    meter: PrometheusMeter
    stack: ExitStack

    def __post_init__(self) -> None:
        self.policy: Policy = wiring.policy(self.settings)
        self.client: Any = None
        if self.chosen & NEEDS_STORE or self.settings.embedded:
            self.client = self.stack.enter_context(wiring.store_client(self.settings))

    def roles(self, problems: Callable[[], list[str]]) -> Sequence[Role]:
        """All roles; ``problems`` says why the process is not ready."""
        roles: list[Role] = []
        build = self._embedded if self.settings.embedded else self._with_kafka
        intake, taker = build(roles)
        if "deliver" in self.chosen:
            # Opened once here, so that a wrong sink is told before anything runs.
            first = [self._deliverer()]
            make = lambda: first.pop() if first else self._deliverer()  # noqa: E731
            roles.append(DeliverRole(make, self.log))
        if self.input_path is not None and taker is not None:
            roles.append(InputRole(self.input_path, taker, self.log, self.wall))
        roles.append(self._http(problems, intake if "ingest" in self.chosen else None))
        return roles

    def _embedded(self, roles: list[Role]) -> tuple[Intake | None, Taker | None]:
        settings = self.settings
        inbox = Inbox(settings.daemon.queue_documents, self.wall)
        serving = wiring.serving(settings)
        chain_role = ChainRole(
            inbox=inbox,
            make_chain=lambda wait, clock: wiring.chain(
                settings, self._stage(serving, clock), clock, self.client, self.meter, wait
            ),
            make_clock=lambda: wiring.origin_clock(settings),
            dead_letters=DeadLetterFile(settings.dead_letter_path()),
            limit=wiring.share_limit(settings),
            meter=self.meter,
            log=self.log,
            wall=self.wall,
            batch_size=settings.classify.batch_size,
            linger=settings.classify.max_wait_ms / 1000,
        )
        roles.append(chain_role)
        return inbox, InboxTaker(inbox)

    def _with_kafka(self, roles: list[Role]) -> tuple[Intake | None, Taker | None]:
        settings = self.settings
        prepare = _Once(lambda: _prepare_topics(settings, self.log))
        if "classify" in self.chosen:
            serving = wiring.serving(settings)
            classify = ClassifyRole(
                config=settings.kafka_config("classify"),
                make_stage=lambda clock: self._stage(serving, clock),
                make_clock=lambda: wiring.origin_clock(settings),
                limit=wiring.share_limit(settings),
                meter=self.meter,
                log=self.log,
                wall=self.wall,
                batch_size=settings.classify.batch_size,
                max_wait_ms=settings.classify.max_wait_ms,
            )
            roles.append(_Prepared(classify, prepare))
        if "watch" in self.chosen:
            watch = WatchRole(
                config=settings.kafka_config("watch"),
                store=wiring.watch_store(settings, self.client),
                make_watch=wiring.watch_maker(settings, self.meter),
                pack=_pack_live,
                meter=self.meter,
                log=self.log,
                wall=self.wall,
            )
            roles.append(_Prepared(watch, prepare))
        if "ingest" not in self.chosen:
            return None, None
        intake = KafkaIntake(
            settings.kafka_config("ingest"), settings.kafka.kinds, self.policy, self.wall
        )
        self.stack.callback(intake.close)
        return intake, intake

    def _stage(self, serving: ServingEngine, clock: OriginClock) -> ClassifyStage:
        said: list[str] = []

        def current() -> Engine:
            engine = serving.current()
            if serving.problem is not None and serving.problem not in said:
                said.append(serving.problem)
                self.log.error("the new model does not load", problem=serving.problem)
            return engine

        return wiring.classify_stage(self.settings, current, self.policy, clock, self.meter)

    def _deliverer(self) -> Any:
        return wiring.deliverer(self.settings, self.client, self.wall, self.meter)

    def _http(self, problems: Callable[[], list[str]], intake: Intake | None) -> HttpRole:
        http = self.settings.http
        limits = Limits(http.max_body_bytes, http.max_documents, http.answer_within_seconds)
        app = build_api(
            problems,
            self.meter,
            _tokens(self.settings, self.log),
            intake,
            self.policy,
            self._history if "serve" in self.chosen else None,
            self.wall,
            limits,
        )
        return HttpRole(app, http.host, http.port, self.log)

    def _history(self, limit: int) -> list[dict[str, Any]]:
        store = wiring.watch_store(self.settings, self.client)
        try:
            packed = store.history(wiring.partitions(self.settings), limit)
        except StoreUnavailable as problem:
            raise Busy(f"the store does not answer ({problem})") from problem
        lines = [json.loads(bytes(unpack(body).line)) for body in packed]
        lines.sort(key=lambda line: (line["event_time"], line["alert_id"], line["sequence"]))
        return lines[::-1][:limit]


class _Once:
    """Something that must have been done before; tried again until it succeeds once."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._done = False

    def __call__(self) -> None:
        with self._lock:
            if not self._done:
                self._work()
                self._done = True


class _Prepared:
    """A role that needs Kafka's topics first."""

    def __init__(self, role: Role, prepare: Callable[[], None]) -> None:
        self.name = role.name
        self._role = role
        self._prepare = prepare

    def run(self, stop: threading.Event, pulse: Any) -> None:
        """See that the topics are there, then run the role."""
        self._prepare()
        self._role.run(stop, pulse)


def _prepare_topics(settings: Settings, log: Logger) -> None:
    group = settings.kafka
    if not group.create_topics:
        return
    wanted = dict.fromkeys(group.topics, group.partitions)
    wanted |= {group.readings_topic: group.readings_partitions, group.dead_letter_topic: 1}
    try:
        found = ensure_topics(settings.kafka_config("admin"), wanted, group.replication)
    except BrokerProblem as problem:
        raise Trouble(str(problem)) from problem
    there = found[group.readings_topic]
    if there != group.readings_partitions:
        raise Fatal(
            f"the topic {group.readings_topic} has {there} partitions: set "
            f"BAROGRAPH_KAFKA__READINGS_PARTITIONS={there} in every process"
        )
    log.info("topics are there", partitions=found)


def _pack_live(transition: Transition) -> bytes:
    return pack(transition, {"replay": False})


def _tokens(settings: Settings, log: Logger) -> list[Token]:
    given = [
        Token(token.name, token.token.get_secret_value(), token.scopes)
        for token in settings.http.tokens
    ]
    if given:
        return given
    file = settings.data_dir / "http-token"
    secret = kept_secret(file)
    log.info("HTTP requests need the bearer token in this file", file=str(file))
    return [Token("own", secret)]
