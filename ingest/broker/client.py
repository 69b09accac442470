"""Opening clients: settings checked by name, an absent broker noticed in seconds, not in 30."""

import difflib
import importlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kafka
import kafka.errors

from ingest.kafka_settings import BrokerProblem, FencedOut, KafkaConfig, Unreachable

Clock = Callable[[], int]

# Ours to set: where the client is told something else, its promises no longer hold.
RESERVED = frozenset({"bootstrap_servers", "kafka_client", "selector", "metric_reporters"})
# Objects; a setting can only name them ("package.module:name" of a class or factory).
OBJECTS = frozenset({"sasl_oauth_token_provider", "ssl_context"})
# The largest message that we write: a whole bad message of 10 MB, in base64, with its reason.
LARGEST_MESSAGE = 16 * 1024 * 1024
DEFAULTS: dict[str, object] = {
    "bootstrap_timeout_ms": 10_000,
    # The client's own 30 s would leave a returned broker alone for half a minute.
    "reconnect_backoff_max_ms": 1_000,
    "metadata_max_age_ms": 60_000,
}


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def client_options(config: KafkaConfig) -> dict[str, object]:
    """The settings that every client takes; raises BrokerProblem naming an unknown one."""
    known = kafka.KafkaConsumer.DEFAULT_CONFIG
    allowed = (known.keys() & kafka.KafkaProducer.DEFAULT_CONFIG.keys()) - RESERVED
    options = dict(DEFAULTS)
    for key, value in config.options.items():
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "remove it"
            raise BrokerProblem(f"unknown Kafka client setting {key!r}", hint)
        options[key] = _typed(key, value, known[key])
    options["bootstrap_servers"] = list(config.bootstrap_servers)
    return options


def open_client(factory: Any, config: KafkaConfig, **own: object) -> Any:
    """A connected ``factory`` (KafkaConsumer, ...); raises BrokerProblem where it cannot be."""
    options = client_options(config)
    if not config.options.get("proxy_url") and not config.options.get("socks5_proxy"):
        require_reachable(config.bootstrap_servers)
    own = {**{k: v for k, v in options.items() if k in factory.DEFAULT_CONFIG}, **own}
    networks: list[Any] = []

    def network(*args: object, **settings: object) -> Any:
        networks.append(factory.DEFAULT_CONFIG["kafka_client"](*args, **settings))
        return networks[-1]

    try:
        with speaking():
            return factory(**own, kafka_client=network)
    except Exception as error:
        # A client that fails to open leaves its thread and its sockets running.
        for opened in networks:
            opened.close()
        if not isinstance(error, kafka.errors.KafkaTimeoutError):
            raise
        servers = ", ".join(config.bootstrap_servers)
        # The client keeps the reason to itself, also that a login was refused.
        advice = (
            "compare security_protocol, ssl_* and sasl_* with the listener's settings;"
            " a refused login looks like this too, and the broker's log tells"
        )
        raise Unreachable(f"{servers} takes connections but does not answer", advice) from error


def require_reachable(servers: tuple[str, ...], timeout: float = 3.0) -> None:
    """Raise BrokerProblem unless one of ``servers`` accepts a connection within ``timeout`` s."""
    why = "no server is named"
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout):
                return
        except (OSError, ValueError) as error:
            why = f"{server}: {error}"
    raise Unreachable(f"no Kafka broker can be reached ({why})", "start it or correct its address")


@contextmanager
def speaking() -> Iterator[None]:
    """Turn the client's errors that retrying cannot heal into BrokerProblem or FencedOut."""
    try:
        yield
    except kafka.errors.KafkaError as error:
        problem = permanent(error)
        if problem is None:
            raise
        raise problem from error


def permanent(error: BaseException) -> BrokerProblem | FencedOut | None:
    """What to raise instead of ``error`` where trying again is of no use; None where it is."""
    errors = kafka.errors
    text = f"{type(error).__name__}: {error}"
    # The producer's later calls only quote the first error, hence the look at the text.
    fenced = ("ProducerFenced", "FencedInstanceId")
    if any(name in text for name in fenced):
        return FencedOut(f"another process uses this instance id ({text})")
    if isinstance(error, errors.AuthorizationError):
        return BrokerProblem(f"Kafka refuses access ({text})", "grant this user the rights")
    if isinstance(error, errors.SaslAuthenticationFailedError):
        return BrokerProblem(f"Kafka refuses the login ({text})", "correct the sasl_* settings")
    if isinstance(error, errors.MessageSizeTooLargeError):
        limit = f"set max.message.bytes={LARGEST_MESSAGE} on the topic"
        return BrokerProblem(f"Kafka refuses a message as too large ({text})", limit)
    if isinstance(error, errors.KafkaConfigurationError):
        return BrokerProblem(f"Kafka client settings do not fit ({text})", "correct them")
    return None


def _typed(key: str, value: object, default: object) -> object:
    """``value``, which may come from an environment variable, in the type of ``default``."""
    if not isinstance(value, str):
        return value
    if key in OBJECTS:
        return _named_object(key, value)
    if isinstance(default, bool):
        choice = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if value.lower() not in choice:
            raise BrokerProblem(f"Kafka client setting {key!r} is {value!r}", "say true or false")
        return choice[value.lower()]
    if isinstance(default, int):
        try:
            return int(value)
        except ValueError:
            raise BrokerProblem(
                f"Kafka client setting {key!r} is {value!r}", "say a number"
            ) from None
    return value


def _named_object(key: str, name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError) as error:
        advice = "name a class or a factory as 'package.module:name'"
        raise BrokerProblem(f"Kafka client setting {key!r}: {error}", advice) from error
