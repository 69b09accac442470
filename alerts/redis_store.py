"""Everything that is kept in Redis or Valkey: the only module that imports the client.

All keys of a readings partition share one hash tag, so that one script can change them together
and a Redis Cluster keeps them on one node.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError, ResponseError
from redis.retry import Retry

from alerts.delivery import Delivery
from alerts.outbox import transition_id
from alerts.scripts import CLAIM_DELIVERIES, COMMIT, FAN_OUT, RETRY, SETTLE
from alerts.store import (
    Append,
    Behind,
    Delete,
    DeleteField,
    Fence,
    Fenced,
    Put,
    PutField,
    StoreUnavailable,
    Write,
)

HISTORY_LENGTH = 10_000
GIVEN_UP_LENGTH = 10_000
SEEN_FOR_MS = 14 * 24 * 3_600_000
FAN_OUT_AT_ONCE = 100

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Delivery).decode


def connect(url: str, cluster: bool = False, timeout: float = 5.0) -> Any:
    """A client for a redis://, rediss:// or unix:// address.

    Connects on first use, but a cluster's client at once, to learn its nodes: that raises
    StoreUnavailable. Raises ValueError where the address makes no sense.
    """
    waits = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.02), 3),
    }
    if not cluster:
        return redis.Redis.from_url(url, **waits)
    with _speaking():
        return RedisCluster.from_url(url, **waits)


@contextlib.contextmanager
def _speaking() -> Iterator[None]:
    """Every trouble of the client is StoreUnavailable, with the server's own words."""
    try:
        yield
    except (RedisError, RedisClusterException, OSError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


class _Script:
    """A script by its hash; sent whole where the server does not know it (any more)."""

    def __init__(self, client: Any, text: str) -> None:
        self._client = client
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> Any:
        try:
            return self._client.evalsha(self._hash, len(keys), *keys, *arguments)
        except ResponseError as error:
            if "NOSCRIPT" not in str(error) and "No matching script" not in str(error):
                raise
            return self._client.eval(self._text, len(keys), *keys, *arguments)


class _Keys:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def __call__(self, partition: int, key: str) -> str:
        return f"{{{self._namespace}:{partition}}}:{key}"


class RedisWatchStore:
    """The watch stage's store; see alerts.store for what its methods promise."""

    def __init__(self, client: Any, namespace: str = "barograph") -> None:
        self._client = client
        self._key = _Keys(namespace)
        self._commit = _Script(client, COMMIT)

    def claim(self, partition: int) -> Fence:
        """Become the partition's owner; every older fence is worth nothing from here on."""
        key = self._key(partition, "fence")
        with _speaking():
            epoch = self._client.hincrby(key, "epoch", 1)
            offset = self._client.hget(key, "offset")
        return Fence(epoch, int(offset or 0))

    def fields(self, partition: int, key: str) -> dict[bytes, bytes]:
        """All fields of a hash; empty where it is absent."""
        with _speaking():
            found: dict[bytes, bytes] = self._client.hgetall(self._key(partition, key))
            return found

    def value(self, partition: int, key: str) -> bytes | None:
        """A string; None where it is absent."""
        return self.values(partition, [key])[0]

    def values(self, partition: int, keys: Sequence[str]) -> list[bytes | None]:
        """Strings, in the order of ``keys``."""
        if not keys:
            return []
        with _speaking():
            found: list[bytes | None] = self._client.mget([self._key(partition, k) for k in keys])
            return found

    def commit(
        self,
        partition: int,
        fence: Fence,
        next_offset: int,
        writes: Sequence[Write],
        outbox: Sequence[bytes],
    ) -> Fence:
        """Everything or nothing; see alerts.store."""
        names = list(dict.fromkeys(write.key for write in writes))
        place = {name: index + 4 for index, name in enumerate(names)}  # Lua counts from 1
        keys = [self._key(partition, k) for k in ("fence", "outbox", "history", *names)]
        arguments: list[bytes | str | int] = [fence.epoch, fence.offset, next_offset]
        arguments += [HISTORY_LENGTH, len(outbox), *outbox]
        for write in writes:
            arguments += _flat(write, place[write.key])
        with _speaking():
            answer: bytes = self._commit(keys, arguments)
        if answer == b"fenced":
            raise Fenced(f"partition {partition} has another owner since epoch {fence.epoch}")
        if answer == b"behind":
            raise Behind(f"the store of partition {partition} is not at offset {fence.offset}")
        if answer != b"done":
            raise StoreUnavailable(
                f"the store's data is not ours: {answer.decode(errors='replace')}"
            )
        return Fence(fence.epoch, next_offset)

    def history(self, partitions: int, limit: int = 100) -> list[bytes]:
        """The newest outbox lines of each partition, newest first within a partition."""
        with _speaking():
            return [
                fields[b"line"]
                for partition in range(partitions)
                for _, fields in self._client.xrevrange(
                    self._key(partition, "history"), count=limit
                )
            ]

    def ping(self) -> None:
        """Raise StoreUnavailable unless the server answers."""
        with _speaking():
            self._client.ping()

    def settings(self, *names: str) -> dict[str, str]:
        """The server's own settings, as far as it tells them."""
        found: dict[str, str] = {}
        for name in names:
            with contextlib.suppress(RedisError):
                found |= {str(k): str(v) for k, v in self._client.config_get(name).items()}
        return found


def _flat(write: Write, place: int) -> list[bytes | str | int]:
    if isinstance(write, PutField):
        return ["hset", place, write.field, write.value]
    if isinstance(write, DeleteField):
        return ["hdel", place, write.field, b""]
    if isinstance(write, Append):
        return ["append", place, b"", write.value]
    if isinstance(write, Put):
        return ["set", place, b"", write.value]
    assert isinstance(write, Delete)
    return ["del", place, b"", b""]


class RedisDeliveryQueue:
    """Deliveries of all partitions; any number of workers may share it.

    Each sink has its own order of what is due, so that none waits behind another's.
    """

    def __init__(self, client: Any, partitions: int, namespace: str = "barograph") -> None:
        self._client = client
        self._partitions = partitions
        self._key = _Keys(namespace)
        self._fan_out = _Script(client, FAN_OUT)
        self._claim = _Script(client, CLAIM_DELIVERIES)
        self._retry = _Script(client, RETRY)
        self._settle = _Script(client, SETTLE)
        self._turn = 0

    def fan_out(self, sinks: Sequence[str], now: int) -> int:
        """Turn what is in the outboxes into one delivery for each sink; returns how many."""
        with _speaking(), self._client.pipeline(transaction=False) as pipe:
            for partition in range(self._partitions):
                pipe.xrange(self._key(partition, "outbox"), count=FAN_OUT_AT_ONCE)
            waiting = pipe.execute()
            return sum(
                self._fan_out_one(partition, entries, sinks, now)
                for partition, entries in enumerate(waiting)
                if entries
            )

    def claim(self, wanted: Mapping[str, int], now: int, visibility_ms: int) -> list[Delivery]:
        """At most so many deliveries of each sink that are due; they are ours for a while.

        Others see them again after ``visibility_ms``. A repeated look at an empty queue costs
        one round trip.
        """
        self._turn += 1  # no partition is always the first
        order = [(self._turn + i) % self._partitions for i in range(self._partitions)]
        places = [(partition, sink) for partition in order for sink in wanted]
        found: list[Delivery] = []
        left = dict(wanted)
        with _speaking(), self._client.pipeline(transaction=False) as pipe:
            for partition, sink in places:
                pipe.zcount(self._due(partition, sink), "-inf", now)
            for (partition, sink), due in zip(places, pipe.execute(), strict=True):
                if due == 0 or left[sink] <= 0:
                    continue
                keys = [self._due(partition, sink), self._key(partition, "deliveries")]
                bodies = self._claim(keys, [now, now + visibility_ms, left[sink]])
                left[sink] -= len(bodies)
                found += [_decode(body) for body in bodies]
        return found

    def done(self, delivery: Delivery) -> None:
        """Forget a delivery that arrived."""
        self._settle_as(delivery, [])

    def dead(self, delivery: Delivery, reason: str) -> None:
        """Give a delivery up, but keep it with its reason."""
        body = _encode(msgspec.structs.replace(delivery, last=reason))
        self._settle_as(delivery, [body, GIVEN_UP_LENGTH])

    def retry(self, delivery: Delivery, due: int, reason: str) -> None:
        """Try again at ``due`` (ms), unless somebody else settled it meanwhile."""
        self._again(
            msgspec.structs.replace(delivery, attempt=delivery.attempt + 1, last=reason), due
        )

    def release(self, delivery: Delivery, due: int) -> None:
        """Hand a claimed delivery back without an attempt."""
        self._again(delivery, due)

    def given_up(self, limit: int = 100) -> list[Delivery]:
        """The newest deliveries of each partition that were given up; ``last`` says why."""
        with _speaking():
            return [
                _decode(fields[b"delivery"])
                for partition in range(self._partitions)
                for _, fields in self._client.xrevrange(
                    self._key(partition, "given-up"), count=limit
                )
            ]

    def waiting(self) -> int:
        """How many transitions and deliveries are not done."""
        with _speaking(), self._client.pipeline(transaction=False) as pipe:
            for partition in range(self._partitions):
                pipe.xlen(self._key(partition, "outbox"))
                pipe.hlen(self._key(partition, "deliveries"))
            return sum(pipe.execute())

    def _fan_out_one(
        self, partition: int, entries: Sequence[Any], sinks: Sequence[str], now: int
    ) -> int:
        keys = [self._key(partition, name) for name in ("outbox", "seen", "deliveries")]
        keys += [self._due(partition, sink) for sink in sinks]
        arguments: list[bytes | str | int] = [now, now - SEEN_FOR_MS]
        for entry, fields in entries:
            line = fields[b"line"]
            transition = transition_id(line)
            arguments += [entry, transition]
            for sink in sinks:
                delivery = Delivery.of(transition, sink, partition, line)
                arguments += [delivery.id, _encode(delivery)]
        return int(self._fan_out(keys, arguments))

    def _again(self, delivery: Delivery, due: int) -> None:
        keys = [
            self._due(delivery.partition, delivery.sink),
            self._key(delivery.partition, "deliveries"),
        ]
        with _speaking():
            self._retry(keys, [delivery.id, due, _encode(delivery)])

    def _settle_as(self, delivery: Delivery, kept: Sequence[bytes | int]) -> None:
        keys = [self._due(delivery.partition, delivery.sink)]
        keys += [self._key(delivery.partition, name) for name in ("deliveries", "given-up")]
        with _speaking():
            self._settle(keys, [delivery.id, *kept])

    def _due(self, partition: int, sink: str) -> str:
        return self._key(partition, f"due:{sink}")
