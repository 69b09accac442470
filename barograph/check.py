"""Trying everything that the configuration names, by really connecting to it."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from alerts.store import StoreUnavailable
from alerts.transition import Transition
from barograph import wiring
from barograph.keys import kept_secret
from barograph.settings import Settings, SettingsProblem
from barograph.valkey import EmbeddedValkey, ServerProblem
from classifier.registry import ModelProblem

_LEAST_FREE_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """What was tried; ``ok`` is None for a warning. ``advice`` says what to do."""

    what: str
    ok: bool | None
    detail: str
    advice: str = ""


class _Bad(Exception):
    def __init__(self, detail: str, advice: str = "", warning: bool = False) -> None:
        super().__init__(detail)
        self.advice, self.warning = advice, warning


def check_all(settings: Settings, send_test: bool = False) -> Iterator[Finding]:
    """Every finding, as it is made."""
    yield _tried("data folder", lambda: _data_folder(settings.data_dir))
    yield _tried("disk space", lambda: _disk(settings.data_dir))
    yield _tried("model", lambda: _model(settings))
    yield _tried("author key", lambda: _author_key(settings))
    if settings.embedded:
        yield Finding("Kafka", True, "not configured: all stages run in one process")
    else:
        yield _tried("Kafka", lambda: _kafka(settings))
    if settings.redis.url is None:
        yield _tried("store (own)", lambda: _own_store(settings))
    else:
        yield _tried("store", lambda: _store(settings))
        yield _tried("store durability", lambda: _durability(settings))
        yield _tried("store eviction", lambda: _eviction(settings))
    yield _tried("HTTP address", lambda: _http(settings))
    yield from _sinks(settings, send_test)


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, attempt())
    except _Bad as problem:
        return Finding(what, None if problem.warning else False, str(problem), problem.advice)
    except (SettingsProblem, ModelProblem, ServerProblem, StoreUnavailable, OSError) as problem:
        return Finding(what, False, str(problem))


def _data_folder(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")
            os.fsync(file.fileno())
    except OSError as problem:
        advice = "give this user the right to write there, or set BAROGRAPH_DATA_DIR"
        raise _Bad(f"{folder} cannot be written: {problem.strerror}", advice) from problem
    return f"{folder.resolve()} can be written"


def _disk(folder: Path) -> str:
    free = shutil.disk_usage(folder if folder.exists() else Path()).free
    if free < _LEAST_FREE_BYTES:
        raise _Bad(f"only {free / 1e6:.0f} MB are free", "make room", warning=True)
    return f"{free / 1e9:.1f} GB are free"


def _model(settings: Settings) -> str:
    try:
        engine = wiring.open_engine(settings)
        (found,) = engine.classify(["Shares plunge after a profit warning"])
    except ImportError as problem:
        advice = "install barograph[torch], or set BAROGRAPH_CLASSIFY__ENGINE=onnx"
        raise _Bad(f"the engine cannot be loaded: {problem}", advice) from problem
    return f"{engine.model_version} finds a profit warning {found.sentiment} ({found.topic})"


def _author_key(settings: Settings) -> str:
    if settings.author_key is not None:
        return "set"
    if not settings.embedded:
        raise _Bad(
            "each process makes its own: one author then has several pseudonyms",
            "set BAROGRAPH_AUTHOR_KEY to the same secret in every process",
            warning=True,
        )
    kept_secret(settings.data_dir / "author-key")
    return "kept in the data folder"


def _kafka(settings: Settings) -> str:
    from ingest.broker import BrokerProblem, ensure_topics, probe

    group = settings.kafka
    try:
        if group.create_topics:
            wanted = dict.fromkeys(group.topics, group.partitions)
            wanted |= {group.readings_topic: group.readings_partitions, group.dead_letter_topic: 1}
            found = ensure_topics(settings.kafka_config("check"), wanted, group.replication)
            there = found[group.readings_topic]
            if there != group.readings_partitions:
                raise _Bad(
                    f"the topic {group.readings_topic} has {there} partitions",
                    f"set BAROGRAPH_KAFKA__READINGS_PARTITIONS={there}",
                )
        for role in ("classify", "watch"):
            probe(settings.kafka_config(role))
    except BrokerProblem as problem:
        raise _Bad(problem.message, problem.advice) from problem
    return f"{', '.join(group.bootstrap_servers)}: topics, groups and transactions work"


def _own_store(settings: Settings) -> str:
    folder = settings.data_dir / "valkey"
    try:
        with EmbeddedValkey(folder) as server:
            wiring.watch_store(settings, wiring.connect(server.url)).ping()
    except ServerProblem as problem:
        if "in use" not in str(problem):
            raise
        raise _Bad(f"{folder} is in use: a daemon runs there", "", warning=True) from problem
    return f"starts and answers, with its data in {folder}"


def _store(settings: Settings) -> str:
    with wiring.store_client(settings) as client:
        try:
            wiring.watch_store(settings, client).ping()
        except StoreUnavailable as problem:
            advice = "start it, or correct BAROGRAPH_REDIS__URL (redis://[:password@]host:port/0)"
            raise _Bad(str(problem), advice) from problem
    return "answers"


def _durability(settings: Settings) -> str:
    with wiring.store_client(settings) as client:
        found = wiring.watch_store(settings, client).settings("appendonly")
    if not found:
        raise _Bad("the server does not tell", "see that it keeps an append-only file", True)
    if found.get("appendonly") != "yes":
        advice = "set appendonly yes (and appendfsync everysec) on the server"
        raise _Bad("no append-only file: a restart of the store loses everything", advice, True)
    return "append-only file"


def _eviction(settings: Settings) -> str:
    with wiring.store_client(settings) as client:
        policy = wiring.watch_store(settings, client).settings("maxmemory-policy")
    found = policy.get("maxmemory-policy", "unknown")
    if found not in ("noeviction", "unknown"):
        advice = "set maxmemory-policy noeviction on the server"
        raise _Bad(f"{found}: a full store would silently drop windows", advice, True)
    return found


def _http(settings: Settings) -> str:
    http = settings.http
    try:
        with socket.create_server((http.host, http.port)):
            pass
    except OSError as problem:
        advice = "a daemon may run already; else choose another BAROGRAPH_HTTP__PORT"
        detail = f"{http.host}:{http.port} cannot be bound: {problem.strerror}"
        raise _Bad(detail, advice, warning=True) from problem
    return f"{http.host}:{http.port} is free"


def _sinks(settings: Settings, send_test: bool) -> Iterator[Finding]:
    try:
        configs = settings.sink_configs()
    except SettingsProblem as problem:
        yield Finding("sinks", False, str(problem))
        return
    if not configs:
        advice = "set BAROGRAPH_SINKS, a JSON list of sinks"
        yield Finding("sinks", None, "none: alerts are kept, but sent to nobody", advice)
    for config in configs:
        if config.type == "webhook":
            yield _tried(f"sink {config.name}", lambda c=config: _resolves(c.url))  # type: ignore[misc]
        yield _tried(
            f"sink {config.name}, {'test sent' if send_test else 'settings'}",
            lambda c=config: _open_sink(c, send_test),  # type: ignore[misc]
        )


def _resolves(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as problem:
        raise _Bad(f"{host!r} does not resolve: {problem.strerror}", "correct its url") from problem
    return f"{host} resolves"


def _open_sink(config: wiring.SinkConfig, send_test: bool) -> str:
    if config.path is not None and not send_test:
        # Opening the file mends its end: that is for the one process that writes it.
        return _data_folder(config.path.parent)
    try:
        sink = wiring.open_sink(config)
    except wiring.SinkProblem as problem:
        raise _Bad(str(problem), "correct BAROGRAPH_SINKS") from problem
    try:
        if not send_test:
            return "can be opened; --send-test really sends something"
        now = wiring.wall_clock()
        outcome = sink.deliver(wiring.test_delivery(config.name, _example(now)), now)
    finally:
        sink.close()
    if outcome.kind != "ok":
        raise _Bad(outcome.detail, "see that the receiver runs and knows the secret")
    return f"the receiver took it ({outcome.detail})"


def _example(now: int) -> Transition:
    """A transition that is plainly a test."""
    return Transition(
        alert_id="test",
        sequence=now,
        type="test",
        series="test",
        rule="test",
        severity="warning",
        event_time=now,
        started_at=now,
        window_ms=900_000,
        observed_negative=0,
        expected_negative=0.0,
        observed_total=0,
        share=0.0,
        usual_share=0.0,
        p_value=1.0,
        p_value_share=1.0,
        copies=0,
        warming_up=False,
        model_versions=(),
        documents=(),
        summary="A test by barograph check --send-test: nothing has happened.",
    )
