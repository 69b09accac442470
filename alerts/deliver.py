"""The deliver stage: outboxes become deliveries, deliveries become attempts."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from alerts.delivery import SCHEDULE, Delivery, Outcome, next_step
from alerts.sinks import Sink
from alerts.store import StoreUnavailable
from ingest.meter import Meter

STALE_MS = 5_000  # an attempt that has not begun by then is left to whoever claims it next
MARGIN_MS = 2 * STALE_MS  # a claim outlasts the longest attempt by that, for it to be noted
THREADS_A_SINK = 8
CLAIMED_A_SINK = 2 * THREADS_A_SINK  # so that no thread waits for the next claim
LONGEST_PAUSE_S = 300.0


class DeliveryQueue(Protocol):
    """Where deliveries wait. All methods may raise StoreUnavailable; times are in ms."""

    def fan_out(self, sinks: Sequence[str], now: int) -> int:
        """Turn what is in the outboxes into one delivery for each sink; return how many."""
        ...

    def claim(self, wanted: Mapping[str, int], now: int, visibility_ms: int) -> list[Delivery]:
        """Return at most so many due deliveries a sink; others see them after the visibility."""
        ...

    def done(self, delivery: Delivery) -> None:
        """Forget a delivery that arrived."""
        ...

    def dead(self, delivery: Delivery, reason: str) -> None:
        """Give a delivery up, but keep it with its reason."""
        ...

    def retry(self, delivery: Delivery, due: int, reason: str) -> None:
        """Make a delivery due again at ``due``."""
        ...

    def release(self, delivery: Delivery, due: int) -> None:
        """Hand a claimed delivery back without an attempt."""
        ...


class Deliverer:
    """Attempts what is due. Any number of processes may do so side by side.

    Each sink has threads of its own, so that one that does not answer delays no other.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        sinks: Mapping[str, Sink],
        clock: Callable[[], int],
        meter: Meter,
        schedule: tuple[int, ...] = SCHEDULE,
        rng: random.Random | None = None,
        visibility_ms: int | None = None,
    ) -> None:
        """``visibility_ms``: how long a killed worker holds up what it had claimed.

        As long as the sinks' longest attempt and a margin, unless told.
        """
        self._queue = queue
        self._sinks = sinks
        self._clock = clock
        self._meter = meter
        self._schedule = schedule
        self._rng = rng or random.Random()
        longest_s = max((sink.longest_s for sink in sinks.values()), default=0.0)
        self._visibility_ms = visibility_ms or round(longest_s * 1000) + MARGIN_MS
        self._under_way: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._paused_until: dict[str, int] = {}
        self._closing = False
        self._threads = {
            name: ThreadPoolExecutor(THREADS_A_SINK, thread_name_prefix=f"deliver-{name}")
            for name in sinks
        }
        self.disabled: dict[str, str] = {}

    def step(self) -> int:
        """Fan out and begin the attempts that are due; return how many.

        Raises StoreUnavailable.
        """
        now = self._clock()
        self._queue.fan_out(list(self._sinks), now)
        wanted = {
            name: CLAIMED_A_SINK - self._under_way[name]
            for name in self._sinks
            if self._under_way[name] < CLAIMED_A_SINK and self._paused_until.get(name, 0) <= now
        }
        due = self._queue.claim(wanted, now, self._visibility_ms) if wanted else []
        for delivery in due:
            self._count(delivery.sink, 1)
            self._threads[delivery.sink].submit(self._attempt, delivery, now)
        return len(due)

    @property
    def under_way(self) -> int:
        """How many attempts have not ended."""
        return self._under_way.total()

    def close(self) -> None:
        """Wait for the attempts that have begun, hand back the others and close the sinks."""
        self._closing = True
        for threads in self._threads.values():
            threads.shutdown()
        for sink in self._sinks.values():
            sink.close()

    def _attempt(self, delivery: Delivery, claimed: int) -> None:
        try:
            now = self._clock()
            if self._closing or now - claimed > STALE_MS:
                self._queue.release(delivery, now)
            else:
                self._settle(delivery, self._outcome(delivery, now))
        except StoreUnavailable:
            pass  # its claim lapses; it is attempted again under the same id
        finally:
            self._count(delivery.sink, -1)

    def _outcome(self, delivery: Delivery, now: int) -> Outcome:
        if delivery.sink in self.disabled:
            return Outcome("refused", f"the sink is disabled: {self.disabled[delivery.sink]}")
        try:
            return self._sinks[delivery.sink].deliver(delivery, now)
        except Exception as fault:  # a fault in a sink must not pass for a delivery under way
            return Outcome("retry", f"the sink failed: {type(fault).__name__}: {fault}")

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        self._meter.add("barograph_webhook_attempts", sink=delivery.sink, outcome=outcome.kind)
        now = self._clock()
        if outcome.kind == "gone":
            self.disabled[delivery.sink] = outcome.detail
        if outcome.retry_after_s is not None:  # it asked for less, not only for this one later
            pause = min(outcome.retry_after_s, LONGEST_PAUSE_S)
            self._paused_until[delivery.sink] = now + round(pause * 1000)
        step = next_step(delivery, outcome, now, self._rng, self._schedule)
        if step.action == "done":
            self._queue.done(delivery)
        elif step.action == "give up":
            self._queue.dead(delivery, step.reason)
        else:
            self._queue.retry(delivery, step.due, step.reason)

    def _count(self, sink: str, change: int) -> None:
        with self._counting:
            self._under_way[sink] += change
