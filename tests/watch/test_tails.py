"""The tails against sums in fifty digits."""

from decimal import Decimal, localcontext
from math import log10

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.tails import beta_binomial_tail, negative_binomial_tail

DIGITS = 50


def exact_negative_binomial(count: int, mean: float, size: float) -> float:
    with localcontext() as context:
        context.prec = DIGITS
        m, r = Decimal(mean), Decimal(size)
        term = (r / (m + r)) ** r
        ratio = m / (m + r)
        below = Decimal(0)
        for k in range(count):
            below += term
            term *= (k + r) / (k + 1) * ratio
        tail = Decimal(0)
        k = count
        while term > tail * Decimal(10) ** -30:
            tail += term
            term *= (k + r) / (k + 1) * ratio
            k += 1
        return float(tail.log10())


def exact_beta_binomial(count: int, total: int, a: float, b: float) -> float:
    with localcontext() as context:
        context.prec = DIGITS
        alpha, beta = Decimal(a), Decimal(b)
        term = Decimal(1)
        for i in range(total):
            term *= (beta + i) / (alpha + beta + i)
        tail = Decimal(0)
        for k in range(total + 1):
            if k >= count:
                tail += term
            if k < total:
                term *= (total - k) * (k + alpha) / ((k + 1) * (total - k - 1 + beta))
        return float(tail.log10())


positive = st.floats(0.02, 200, allow_nan=False)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 400), positive, positive)
def test_the_negative_binomial_tail_is_exact(count: int, mean: float, size: float) -> None:
    expected = exact_negative_binomial(count, mean, size)
    found = negative_binomial_tail(count, mean, size)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 300), st.integers(0, 300), positive, positive)
def test_the_beta_binomial_tail_is_exact(count: int, more: int, a: float, b: float) -> None:
    expected = exact_beta_binomial(count, count + more, a, b)
    found = beta_binomial_tail(count, count + more, a, b)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_nothing_is_always_reached() -> None:
    assert negative_binomial_tail(0, 3.0, 2.0) == 0.0
    assert beta_binomial_tail(0, 9, 1.0, 3.0) == 0.0


def test_a_tail_beyond_what_a_float_can_hold_is_still_told_apart() -> None:
    far = negative_binomial_tail(1_000_000, 100.0, 50.0)
    farther = negative_binomial_tail(2_000_000, 100.0, 50.0)
    assert farther < far < -1000


def test_a_huge_size_is_a_poisson_distribution() -> None:
    poisson = 1 - sum(2.718281828459045**-2.0 * 2.0**k / (1, 1, 2, 6)[k] for k in range(4))
    assert negative_binomial_tail(4, 2.0, 1e7) == pytest.approx(log10(poisson), rel=1e-5)


@pytest.mark.parametrize(("mean", "size"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_a_negative_binomial_needs_positive_parameters(mean: float, size: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        negative_binomial_tail(1, mean, size)


def test_more_cannot_be_negative_than_there_are() -> None:
    with pytest.raises(ValueError, match="no such tail"):
        beta_binomial_tail(3, 2, 1.0, 1.0)
