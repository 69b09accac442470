"""The numbers by which series are watched."""

from dataclasses import dataclass

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class WatchConfig:
    """How windows, baseline, detector and episodes behave. Times are in milliseconds.

    A window is above the alarm line where both tails are below ``count_threshold`` (number of
    negative stories) and ``share_threshold`` (their share of all), with at least
    ``minimum_negative`` of them. An alert ends once no window has been above the ``calm_*``
    line for ``hold_ms``. It gets worse where its severity rises, or where the number has doubled
    and the tail is smaller by ``escalation_factor``.

    The baseline forgets with ``half_life_ms``; it counts as warmed up after ``warm_up_ms`` and
    ``warm_up_documents`` stories. It learns nothing while an alert is on, but for no longer than
    ``freeze_ms``: a level that stays is the new normal in the end, or the alert would never end.

    ``settle_ms`` is for how long every origin must have held nothing more before the buckets
    that hold documents close. A smaller value than the default closes the end of a historical
    stream sooner, but makes documents late that follow a shorter silence.
    """

    bucket_ms: int = MINUTE
    windows_ms: tuple[int, ...] = (15 * MINUTE, HOUR, 3 * HOUR)
    allowed_lateness_ms: int = 2 * MINUTE
    settle_ms: int = 3 * MINUTE
    count_threshold: float = 1e-3
    share_threshold: float = 3e-3
    minimum_negative: int = 5
    critical_count: float = 1e-10
    critical_share: float = 1e-4
    calm_count: float = 3e-2
    calm_share: float = 0.1
    escalation_factor: float = 1e-3
    hold_ms: int = 30 * MINUTE
    half_life_ms: int = 7 * DAY
    freeze_ms: int = 2 * DAY
    warm_up_ms: int = DAY
    warm_up_documents: int = 50

    def __post_init__(self) -> None:
        if self.bucket_ms <= 0 or any(w % self.bucket_ms or w <= 0 for w in self.windows_ms):
            raise ValueError("every window must be a positive multiple of the bucket")
        if not self.windows_ms or list(self.windows_ms) != sorted(set(self.windows_ms)):
            raise ValueError("windows must be given once each, shortest first")
        if self.half_life_ms <= 0:
            raise ValueError("the half-life must be positive")
        if not self.count_threshold <= self.calm_count or (
            not self.share_threshold <= self.calm_share
        ):
            raise ValueError("the calm line must not lie above the alarm line")

    @property
    def longest_ms(self) -> int:
        """The longest window."""
        return self.windows_ms[-1]

    def bucket_of(self, event_time: int) -> int:
        """The start of the bucket that holds ``event_time``."""
        return event_time - event_time % self.bucket_ms
