"""What the inputs of each linear layer look like over some real texts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

OUTSIDE = 2e-5  # the share of tokens, at either end, that the range of a channel leaves out
_AT_ONCE = 2048  # tokens
_KEPT = 64  # extremes of a channel: a share of 1e-4 of 640,000 tokens


@dataclass(frozen=True)
class Inputs:
    """Of one layer: each channel's range and mean, and the mean products of all pairs (n, n)."""

    low: Array
    high: Array
    mean: Array
    moments: Array


class Gathered:
    """Takes the inputs of one layer bit by bit and holds no more than some thousand tokens."""

    def __init__(self) -> None:
        self._waiting: list[Array] = []
        self._tokens = self._count = 0
        self._extremes: Array | None = None
        self._sum: Array | float = 0.0
        self._products: Array | float = 0.0

    def note(self, rows: Array) -> None:
        """Take the inputs of some tokens, of shape (tokens, channels)."""
        self._waiting.append(rows)
        self._tokens += len(rows)
        if self._tokens >= _AT_ONCE:
            self._fold()

    def _fold(self) -> None:
        rows = np.concatenate(self._waiting)
        self._waiting, self._tokens = [], 0
        self._count += len(rows)
        self._sum = self._sum + rows.sum(axis=0)
        self._products = self._products + rows.T @ rows
        seen = rows if self._extremes is None else np.concatenate([self._extremes, rows])
        if len(seen) > 2 * _KEPT:
            seen = np.sort(seen, axis=0)  # several times as fast as np.partition
            seen = np.concatenate([seen[:_KEPT], seen[-_KEPT:]])
        self._extremes = seen

    def inputs(self, outside: float = OUTSIDE) -> Inputs:
        """What was seen so far. Raises ValueError if that is nothing."""
        if self._waiting:
            self._fold()
        if self._extremes is None:
            raise ValueError("no texts to measure the layers' inputs on")
        ordered = np.sort(self._extremes, axis=0)
        cut = min(int(self._count * outside), _KEPT - 1)
        return Inputs(
            ordered[cut],
            ordered[-1 - cut],
            np.asarray(self._sum / self._count, np.float32),
            np.asarray(self._products / self._count, np.float32),
        )
