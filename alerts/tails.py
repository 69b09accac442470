"""Upper tails of the two count distributions, as base-10 logarithms so that none reaches zero."""

from math import exp, lgamma, log, log1p

_LN10 = log(10)
_NEGLIGIBLE = 1e-16
_CONVERGED = 1e-15
_MOST_STEPS = 100_000
_TINY = 1e-300


def negative_binomial_tail(count: int, mean: float, size: float) -> float:
    """log10 P(X >= count) for a negative binomial of ``mean`` and dispersion ``size``.

    The variance is ``mean + mean**2 / size``. Raises ValueError unless both are positive.
    """
    if mean <= 0 or size <= 0:
        raise ValueError(f"mean {mean} and size {size} must be positive")
    if count <= 0:
        return 0.0
    # The tail is the regularised incomplete beta function I_x(count, size).
    log_x = -log1p(size / mean)
    log_rest = -log1p(mean / size)
    return _log_incomplete_beta(float(count), size, log_x, log_rest) / _LN10


def beta_binomial_tail(count: int, total: int, a: float, b: float) -> float:
    """log10 P(X >= count) among ``total`` draws whose share is Beta(a, b) distributed.

    Takes time in proportion to ``total``. Raises ValueError unless ``count`` is at most
    ``total`` and both parameters are positive.
    """
    if a <= 0 or b <= 0 or count > total:
        raise ValueError(f"no such tail: {count} of {total} at ({a}, {b})")
    if count <= 0:
        return 0.0
    # Where the tail holds most of the mass, the other side is summed: its relative error
    # matters less there, and the result cannot exceed one.
    if count > total * a / (a + b):
        return _log_side(count, total, a, b) / _LN10
    below = exp(_log_side(total - count + 1, total, b, a))
    return log1p(-min(below, 1 - _NEGLIGIBLE)) / _LN10


def _log_side(count: int, total: int, a: float, b: float) -> float:
    """Natural logarithm of P(X >= count), summed upwards from the term at ``count``."""
    first = (
        lgamma(total + 1)
        - lgamma(count + 1)
        - lgamma(total - count + 1)
        + lgamma(count + a)
        + lgamma(total - count + b)
        - lgamma(total + a + b)
        + lgamma(a + b)
        - lgamma(a)
        - lgamma(b)
    )
    total_weight = weight = 1.0
    for k in range(count, total):
        weight *= (total - k) * (k + a) / ((k + 1) * (total - k - 1 + b))
        total_weight += weight
    return first + log(total_weight)


def _log_incomplete_beta(a: float, b: float, log_x: float, log_rest: float) -> float:
    """Natural logarithm of I_x(a, b); ``log_rest`` is that of 1 - x, which itself can vanish."""
    x = exp(log_x)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log_x + b * log_rest
    if x < (a + 1) / (a + b + 2):
        return front + log(_fraction(a, b, x) / a)
    rest = exp(log_rest)
    other = exp(front) * _fraction(b, a, rest) / b
    return log1p(-min(other, 1 - _NEGLIGIBLE))


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    # A denominator of exactly zero is moved off it: the next step makes up for that.
    c = 1.0
    d = 1 / ((1 - (a + b) * x / (a + 1)) or _TINY)
    value = d
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + even * d) or _TINY)
        c = (1 + even / c) or _TINY
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / ((1 + odd * d) or _TINY)
        c = (1 + odd / c) or _TINY
        step = d * c
        value *= step
        if abs(step - 1) < _CONVERGED:
            break
    return value
