"""Which documents come too late to be counted."""

from ingest.record import Origin


class OriginClock:
    """The greatest event time seen in each origin, and by it who is late.

    A document is late where it lies more than ``allowed_lateness_ms`` behind the greatest
    event time seen before it in its own origin. Only an origin's own order matters, which is
    its log's: the verdicts are the same for any batching and any number of workers.
    """

    def __init__(self, allowed_lateness_ms: int) -> None:
        if allowed_lateness_ms < 0:
            raise ValueError(f"allowed lateness is {allowed_lateness_ms} ms, less than none")
        self.allowed_lateness_ms = allowed_lateness_ms
        self._greatest: dict[str, int] = {}

    def observe(self, origin: Origin | str, event_time: int) -> bool:
        """Take the next document of ``origin``; return whether it is late. Times in ms."""
        name = str(origin)
        greatest = self._greatest.get(name)
        if greatest is None or event_time > greatest:
            self._greatest[name] = event_time
            return False
        return event_time < greatest - self.allowed_lateness_ms

    def greatest(self, origin: Origin | str) -> int | None:
        """Return the greatest event time seen in ``origin`` (ms), None before the first."""
        return self._greatest.get(str(origin))

    def restore(self, origin: Origin | str, event_time: int | None) -> None:
        """Go back to what was known at a committed offset of ``origin``; None: nothing yet."""
        if event_time is None:
            self._greatest.pop(str(origin), None)
        else:
            self._greatest[str(origin)] = event_time
