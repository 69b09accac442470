"""The deliver stage: outboxes become deliveries, deliveries become attempts."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from alerts.delivery import SCHEDULE, Delivery, Outcome, next_step
from alerts.sinks import Sink
from alerts.store import StoreUnavailable
from ingest.meter import Meter

VISIBILITY_MS = 60_000  # longer than any attempt takes
AT_ONCE = 32
THREADS_A_SINK = 8


class DeliveryQueue(Protocol):
    """Where deliveries wait. All methods may raise StoreUnavailable; times are in ms."""

    def fan_out(self, sinks: Sequence[str], now: int) -> int:
        """Turn what is in the outboxes into one delivery for each sink; return how many."""
        ...

    def claim(self, now: int, visibility_ms: int, limit: int) -> list[Delivery]:
        """Return deliveries that are due; others see them again after ``visibility_ms``."""
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
    ) -> None:
        self._queue = queue
        self._sinks = sinks
        self._clock = clock
        self._meter = meter
        self._schedule = schedule
        self._rng = rng or random.Random()
        self._under_way: Counter[str] = Counter()
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
        due = self._queue.claim(now, VISIBILITY_MS, AT_ONCE)
        for delivery in due:
            threads = self._threads.get(delivery.sink)
            if threads is None:
                gone = Outcome("retry", f"no sink is called {delivery.sink} here")
                self._settle(delivery, gone)
            elif self._under_way[delivery.sink] < 2 * THREADS_A_SINK:
                self._under_way[delivery.sink] += 1
                threads.submit(self._attempt, delivery)
            # Else the sink is too slow for more: the claim lapses and it comes up again.
        return len(due)

    @property
    def under_way(self) -> int:
        """How many attempts have not ended."""
        return self._under_way.total()

    def close(self) -> None:
        """Wait for attempts under way and close the sinks."""
        for threads in self._threads.values():
            threads.shutdown()
        for sink in self._sinks.values():
            sink.close()

    def _attempt(self, delivery: Delivery) -> None:
        try:
            if delivery.sink in self.disabled:
                reason = self.disabled[delivery.sink]
                outcome = Outcome("refused", f"the sink is disabled: {reason}")
            else:
                outcome = self._sinks[delivery.sink].deliver(delivery, self._clock())
            self._settle(delivery, outcome)
        except StoreUnavailable:
            pass  # its claim lapses; it is attempted again under the same id
        finally:
            self._under_way[delivery.sink] -= 1

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        self._meter.add("barograph_webhook_attempts", sink=delivery.sink, outcome=outcome.kind)
        if outcome.kind == "gone":
            self.disabled[delivery.sink] = outcome.detail
        step = next_step(delivery, outcome, self._clock(), self._rng, self._schedule)
        if step.action == "done":
            self._queue.done(delivery)
        elif step.action == "give up":
            self._queue.dead(delivery, step.reason)
        else:
            self._queue.retry(delivery, step.due, step.reason)
