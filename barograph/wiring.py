"""Which object is connected to which: the one place that turns settings into stages."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from alerts.deliver import Deliverer
from alerts.delivery import Delivery
from alerts.outbox import pack
from alerts.redis_store import RedisDeliveryQueue, RedisWatchStore, connect
from alerts.sinks import open_sink
from alerts.sinks.config import SinkConfig, SinkProblem
from alerts.store import StoreUnavailable
from alerts.transition import Transition
from alerts.watch import PartitionWatch
from barograph.chain import Chain, Wait
from barograph.keys import kept_secret
from barograph.settings import Settings, SettingsProblem
from barograph.valkey import EmbeddedValkey, ServerProblem
from classifier.engine import Engine
from classifier.registry import SHIPPED, Registry
from classifier.registry import open_engine as open_version
from classifier.serving import ServingEngine
from classifier.stage import ClassifyStage
from ingest.dead_letters import ShareLimit
from ingest.lateness import OriginClock
from ingest.meter import Meter
from ingest.parse import Policy

PARTITIONS = 1
Wall = Callable[[], int]
_LOOK_AGAIN_S = 1.0
# Replays of one file on any machine name its authors alike, where no key is configured.
_REPLAY_KEY = b"barograph replay"


def registry(settings: Settings) -> Registry:
    """The folder of model versions."""
    return Registry(settings.classify.models or SHIPPED)


def open_engine(settings: Settings) -> Engine:
    """The champion. Raises ModelProblem."""
    group = settings.classify
    return open_version(registry(settings).champion(), group.engine, group.threads)


def serving(settings: Settings) -> ServingEngine:
    """The champion that is taken anew when another one is promoted. Raises ModelProblem."""
    group = settings.classify
    return ServingEngine(
        registry(settings), lambda folder: open_version(folder, group.engine, group.threads)
    )


def policy(settings: Settings) -> Policy:
    """What is accepted, with the author key of this installation, made where it has none."""
    given = settings.author_key
    key = given.get_secret_value() if given else kept_secret(settings.data_dir / "author-key")
    return _policy(settings, key.encode())


def throwaway_policy(settings: Settings) -> Policy:
    """As ``policy``, but leaves nothing behind where this installation has no key yet."""
    if settings.author_key or (settings.data_dir / "author-key").exists():
        return policy(settings)
    return _policy(settings, _REPLAY_KEY)


def _policy(settings: Settings, key: bytes) -> Policy:
    return Policy(
        key=key,
        future_tolerance_ms=round(settings.watch.future_tolerance_seconds * 1000),
        default_kind=settings.kafka.kinds,
    )


def origin_clock(settings: Settings) -> OriginClock:
    """A fresh clock of origins."""
    return OriginClock(settings.watch_config().allowed_lateness_ms)


def classify_stage(
    settings: Settings,
    engine: Callable[[], Engine],
    accepted: Policy,
    clock: OriginClock,
    meter: Meter,
) -> ClassifyStage:
    """The classify stage."""
    return ClassifyStage(engine, accepted, clock, settings.series_by, meter)


def watch_maker(settings: Settings, meter: Meter) -> Callable[[], PartitionWatch]:
    """Makes the watch stage of a partition, empty."""
    config = settings.watch_config()
    return lambda: PartitionWatch(config, meter)


def share_limit(settings: Settings) -> ShareLimit:
    """How many dead letters are too many."""
    group = settings.dead_letters
    return ShareLimit(group.share_limit, group.window, group.minimum)


@contextmanager
def store_client(settings: Settings) -> Iterator[Any]:
    """A client of the configured store, or of one that is started here and stopped at the end.

    Raises ServerProblem.
    """
    url = settings.redis.url
    if url is not None:
        try:
            client = connect(url.get_secret_value(), settings.redis.cluster)
        except StoreUnavailable as problem:  # a cluster is asked for its shape at once
            raise ServerProblem(f"the store does not answer ({problem})") from problem
        yield client
        return
    with EmbeddedValkey(settings.data_dir / "valkey") as server:
        ended = threading.Event()
        keeper = threading.Thread(target=_keep_alive, args=(server, ended), name="store keeper")
        keeper.start()
        try:
            yield connect(server.url)
        finally:
            ended.set()
            keeper.join()


def _keep_alive(server: EmbeddedValkey, ended: threading.Event) -> None:
    """Start our own server again where it dies under us; until then the roles say so."""
    while not ended.wait(_LOOK_AGAIN_S):
        with suppress(ServerProblem):  # tried again; the roles' complaints name the outage
            server.revive()


@contextmanager
def throwaway_client() -> Iterator[Any]:
    """A client of a store that is gone at the end."""
    with EmbeddedValkey() as server:
        yield connect(server.url)


def partitions(settings: Settings) -> int:
    """How many readings partitions there are: one where the stages are chained."""
    return PARTITIONS if settings.embedded else settings.kafka.readings_partitions


def watch_store(settings: Settings, client: Any) -> RedisWatchStore:
    """The watch stage's store."""
    return RedisWatchStore(client, settings.redis.namespace)


def deliverer(settings: Settings, client: Any, clock: Wall, meter: Meter) -> Deliverer:
    """The deliver stage with its sinks. Raises SettingsProblem."""
    try:
        sinks = {config.name: open_sink(config) for config in settings.sink_configs()}
    except SinkProblem as problem:
        raise SettingsProblem(str(problem)) from problem
    queue = RedisDeliveryQueue(client, partitions(settings), settings.redis.namespace)
    return Deliverer(queue, sinks, clock, meter)


def waiting(settings: Settings, client: Any, count: int = PARTITIONS) -> Callable[[], int]:
    """Tells how many transitions and deliveries are not done."""
    return RedisDeliveryQueue(client, count, settings.redis.namespace).waiting


def chain(
    settings: Settings,
    stage: ClassifyStage,
    clock: OriginClock,
    client: Any,
    meter: Meter,
    wait: Wait,
    replay: bool = False,
) -> Chain:
    """Classify and watch in one."""
    origin = {"replay": replay}
    return Chain(
        stage,
        clock,
        watch_maker(settings, meter),
        watch_store(settings, client),
        lambda transition: pack(transition, origin),
        wait,
    )


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def test_delivery(sink: str, transition: Transition) -> Delivery:
    """A delivery outside of any queue, to try a sink."""
    return Delivery.of(transition.id, sink, 0, pack(transition, {"replay": False, "test": True}))


__all__ = [
    "SinkConfig",
    "SinkProblem",
    "chain",
    "classify_stage",
    "connect",
    "deliverer",
    "open_engine",
    "open_sink",
    "origin_clock",
    "partitions",
    "policy",
    "registry",
    "serving",
    "share_limit",
    "store_client",
    "test_delivery",
    "throwaway_client",
    "throwaway_policy",
    "waiting",
    "wall_clock",
    "watch_maker",
    "watch_store",
]
