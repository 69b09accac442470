"""The deliver role: from the outbox to the sinks, at its own pace."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from alerts.deliver import Deliverer
from alerts.store import StoreUnavailable
from barograph.logs import Logger
from barograph.supervisor import Pulse, Trouble

_IDLE_S = 0.1


@dataclass
class DeliverRole:
    """Attempts what is due. A dead sink never holds anything else up."""

    make_deliverer: Callable[[], Deliverer]
    log: Logger
    name: str = "deliver"

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Work until told to stop; attempts under way are finished and noted."""
        deliverer = self.make_deliverer()
        told: set[str] = set()
        try:
            while not stop.is_set():
                attempts = deliverer.step()
                pulse.beat()
                for sink in deliverer.disabled.keys() - told:
                    told.add(sink)
                    self.log.error("a sink is disabled", sink=sink, reason=deliverer.disabled[sink])
                if not attempts:
                    stop.wait(_IDLE_S)
        except StoreUnavailable as problem:
            raise Trouble(f"the store does not answer ({problem})") from problem
        finally:
            deliverer.close()
