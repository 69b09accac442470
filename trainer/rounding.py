"""Weights as 8-bit integers, so that the products change least and not the weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.statistics import Array, Inputs

_DAMPING = 0.01  # of the mean square of the inputs, added to each: the errors' matrix is inverted
_BLOCK = 64


@dataclass(frozen=True)
class Grid:
    """Where a layer's inputs lie in the integers: (input - centre) / step, channel by channel."""

    step: Array
    centre: Array

    @classmethod
    def over(cls, inputs: Inputs) -> "Grid":
        """The grid that spreads each channel's range over -127 to 127."""
        reach = np.maximum((inputs.high - inputs.low) / np.float32(2), np.float32(1e-3))
        return cls(reach / np.float32(127), (inputs.low + inputs.high) / np.float32(2))

    def moments(self, inputs: Inputs) -> NDArray[np.float64]:
        """The mean products of all pairs of channels, on the grid."""
        shift = np.outer(self.centre, inputs.mean)
        products = inputs.moments - shift - shift.T + np.outer(self.centre, self.centre)
        return np.asarray(products / np.outer(self.step, self.step), np.float64)


def nearest(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """A (inputs, outputs) matrix as 8-bit integers and one scale for each column."""
    scale = _scale(weight)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def compensated(weight: Array, moments: NDArray[np.float64]) -> tuple[NDArray[np.int8], Array]:
    """As ``nearest``, but each input's rounding error is made good by the inputs still to come.

    That is GPTQ (Frantar et al., 2023): what the error does to the products of real inputs, whose
    ``moments`` (inputs, inputs) are known, is taken out of the correlated weights.
    """
    scale = _scale(weight)
    inputs = len(weight)
    order = np.argsort(-np.diag(moments), kind="stable")
    damped = moments[np.ix_(order, order)]
    damped[np.diag_indices(inputs)] += _DAMPING * np.mean(np.diag(moments))
    share = np.linalg.cholesky(np.linalg.inv(damped)).T  # upper triangle: error -> later inputs
    left = weight[order].astype(np.float64)
    rounded = np.empty(weight.shape, np.int8)
    for start in range(0, inputs, _BLOCK):
        stop = min(inputs, start + _BLOCK)
        errors = np.empty((stop - start, weight.shape[1]))
        for i in range(start, stop):
            rounded[order[i]] = whole = np.clip(np.rint(left[i] / scale), -127, 127)
            errors[i - start] = error = (left[i] - whole * scale) / share[i, i]
            left[i + 1 : stop] -= np.outer(share[i, i + 1 : stop], error)
        left[stop:] -= share[start:stop, stop:].T @ errors
    return rounded, scale


def _scale(weight: Array) -> Array:
    return np.asarray(np.maximum(np.abs(weight).max(axis=0), 1e-8) / 127.0, np.float32)
