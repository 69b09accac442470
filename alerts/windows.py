"""The sliding windows of a series over its closed buckets.

The sums are kept as buckets come and go: integers, so the result is the same as adding up anew.
"""

from collections import deque
from typing import NamedTuple

from alerts.bucket import Bucket


class Sums(NamedTuple):
    """What one window holds."""

    window_ms: int
    negative: int
    total: int
    copies: int


class _Window:
    __slots__ = ("buckets", "copies", "length_ms", "negative", "total")

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.buckets: deque[Bucket] = deque()
        self.negative = self.total = self.copies = 0

    def add(self, bucket: Bucket) -> None:
        self.buckets.append(bucket)
        self.negative += bucket.negative
        self.total += bucket.total
        self.copies += bucket.copies

    def slide(self, time: int) -> list[Bucket]:
        left: list[Bucket] = []
        buckets = self.buckets
        while buckets and buckets[0].start < time - self.length_ms:
            bucket = buckets.popleft()
            self.negative -= bucket.negative
            self.total -= bucket.total
            self.copies -= bucket.copies
            left.append(bucket)
        return left


class Windows:
    """Windows of ``windows_ms`` (ascending) that all end at the time of the last ``slide``."""

    __slots__ = ("_windows",)

    def __init__(self, windows_ms: tuple[int, ...]) -> None:
        self._windows = [_Window(length) for length in windows_ms]

    def add(self, bucket: Bucket) -> None:
        """Take the newest bucket."""
        for window in self._windows:
            window.add(bucket)

    def slide(self, time: int) -> list[Bucket]:
        """Let the windows end at ``time`` (ms); returns what left the longest, oldest first."""
        left: list[Bucket] = []
        for window in self._windows:
            left = window.slide(time)
        return left

    def sums(self) -> list[Sums]:
        """What each window holds, shortest first."""
        return [Sums(w.length_ms, w.negative, w.total, w.copies) for w in self._windows]

    def inside(self, window_ms: int) -> list[Bucket]:
        """The buckets of one window, oldest first."""
        for window in self._windows:
            if window.length_ms == window_ms:
                return list(window.buckets)
        raise KeyError(f"no window of {window_ms} ms")

    def __len__(self) -> int:
        """How many buckets the longest window holds."""
        return len(self._windows[-1].buckets)

    @property
    def negative(self) -> int:
        """How many negative stories the longest window holds."""
        return self._windows[-1].negative

    @property
    def newest(self) -> int | None:
        """The start of the newest bucket, if any."""
        buckets = self._windows[-1].buckets
        return buckets[-1].start if buckets else None
