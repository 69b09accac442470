"""One alert transition on its way to one sink, and what to do after each attempt."""

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

import msgspec

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

# The waits before the second and later attempts, as Standard Webhooks recommends them.
SCHEDULE: tuple[int, ...] = (
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
JITTER = 0.2


class Delivery(msgspec.Struct, frozen=True):
    """``id`` is the same over retries and restarts; ``body`` is the packed transition.

    ``attempt`` counts from 0; ``last`` says how the last one ended.
    """

    id: str
    transition: str
    sink: str
    partition: int
    body: bytes
    attempt: int = 0
    last: str = ""

    @classmethod
    def of(cls, transition: str, sink: str, partition: int, body: bytes) -> "Delivery":
        """The delivery of a transition to a sink."""
        digest = hashlib.blake2b(f"{transition}|{sink}".encode(), digest_size=12).hexdigest()
        return cls(f"msg_{digest}", transition, sink, partition, body)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    ``ok``: it arrived. ``retry``: it may arrive later (after ``retry_after_s`` where the
    receiver said so). ``gone``: the receiver wants no more of anything. ``refused``: this one
    can never be sent.
    """

    kind: Literal["ok", "retry", "gone", "refused"]
    detail: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Decision:
    """What to do with a delivery: forget it, give it up, or try again at ``due`` (ms)."""

    action: Literal["done", "give up", "again"]
    due: int = 0
    reason: str = ""


def next_step(
    delivery: Delivery,
    outcome: Outcome,
    now: int,
    rng: random.Random,
    schedule: tuple[int, ...] = SCHEDULE,
) -> Decision:
    """The decision after an attempt that ended with ``outcome`` at ``now`` (ms)."""
    if outcome.kind == "ok":
        return Decision("done")
    if outcome.kind in ("gone", "refused"):
        return Decision("give up", reason=outcome.detail)
    if delivery.attempt >= len(schedule):
        reason = f"given up after {delivery.attempt + 1} attempts: {outcome.detail}"
        return Decision("give up", reason=reason)
    wait = schedule[delivery.attempt] * rng.uniform(1 - JITTER, 1 + JITTER)
    if outcome.retry_after_s is not None:
        wait = max(wait, outcome.retry_after_s * SECOND)
    return Decision("again", now + round(wait), outcome.detail)
