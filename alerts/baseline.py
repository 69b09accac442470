"""What a series expects: how many negative stories an hour, and which share of all.

The rate is Gamma-Poisson and the share Beta-binomial, both with exponential forgetting and a
weak prior, so that the first day is uncertain rather than silent. How much hours differ beyond
chance (overdispersion) comes from the moments of whole hours, shrunk to a prior of its own.
Forgetting is lazy: to read at a later time decays in closed form and changes nothing, so it does
not matter how often one reads.
"""

from math import exp, log

import msgspec

from alerts.rules import HOUR, WatchConfig

PRIOR_NEGATIVE, PRIOR_HOURS = 0.5, 0.5
"""Half a negative story, seen in half an hour."""

PRIOR_SHARE, PRIOR_STORIES = 0.25, 4.0
"""One story in four, as if seen in four stories."""

PRIOR_RATE_SPREAD, PRIOR_SPREAD_HOURS = 0.5, 24.0
"""The squared coefficient of variation of the hourly rate, as if seen for a day."""

PRIOR_SHARE_SPREAD, PRIOR_SPREAD_PAIRS = 0.02, 1000.0
"""The correlation of two stories of one hour, as if seen in so many pairs (times their
variance)."""

MOST_RATE_SPREAD, MOST_SHARE_SPREAD = 4.0, 0.3
"""Upper limits: one odd day must not blind a quiet series."""


class Baseline(msgspec.Struct, frozen=True, array_like=True):
    """Decayed sums as of ``learned_to`` (ms).

    ``hours`` is exposure, ``negative`` and ``total`` count stories. ``squares`` sums the squared
    negative counts of whole clock hours, ``share_excess`` and ``share_weight`` those hours'
    variance of the share beyond chance and its weight. ``hour`` is the clock hour being filled
    (hours since 1970) with its two counts. ``documents`` is not decayed.
    """

    began: int
    learned_to: int
    hour: int
    hours: float = 0.0
    negative: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    share_excess: float = 0.0
    share_weight: float = 0.0
    hour_negative: int = 0
    hour_total: int = 0
    documents: int = 0


class Expectation(msgspec.Struct, frozen=True):
    """What is usual: ``rate`` negative stories an hour, ``share`` of all.

    ``size`` is the dispersion of the negative binomial of the count in any window; ``a`` and
    ``b`` are the parameters of the beta-binomial of the share.
    """

    rate: float
    size: float
    share: float
    a: float
    b: float


def begin(time: int) -> Baseline:
    """The baseline of a series whose first bucket starts at ``time``."""
    return Baseline(time, time, time // HOUR)


def learn(
    baseline: Baseline, start: int, negative: int, total: int, config: WatchConfig
) -> Baseline:
    """The baseline after the bucket at ``start``; buckets come in order, empty ones left out."""
    full = _with_hour_ended(baseline, start // HOUR)
    now = _decayed(full, start + config.bucket_ms, config)
    return msgspec.structs.replace(
        now,
        negative=now.negative + negative,
        total=now.total + total,
        hour_negative=now.hour_negative + negative,
        hour_total=now.hour_total + total,
        documents=now.documents + total,
    )


def pause(baseline: Baseline, time: int, config: WatchConfig) -> Baseline:
    """The baseline with all exposure up to ``time``; read at ``learned_to``, it stands still."""
    return _decayed(baseline, time, config)


def skip_to(baseline: Baseline, time: int) -> Baseline:
    """As if the time up to ``time`` had not been: neither exposure nor forgetting."""
    if time <= baseline.learned_to:
        return baseline
    ended = _with_hour_ended(baseline, time // HOUR)
    return msgspec.structs.replace(ended, learned_to=time)


def expect(baseline: Baseline, time: int, config: WatchConfig) -> Expectation:
    """What is usual if everything up to ``time`` has been learned."""
    life = config.half_life_ms / HOUR / log(2)
    kept = exp(-max(0, time - baseline.learned_to) / HOUR / life)
    hours = baseline.hours * kept + life * (1 - kept)
    negative = baseline.negative * kept
    shape = negative + PRIOR_NEGATIVE
    spread = _rate_spread(negative, hours, baseline.squares * kept + baseline.hour_negative**2)
    share = _share(baseline, kept)
    stories = baseline.total * kept + PRIOR_STORIES
    share_spread = (
        max(0.0, baseline.share_excess * kept) + PRIOR_SHARE_SPREAD * PRIOR_SPREAD_PAIRS
    ) / (baseline.share_weight * kept + PRIOR_SPREAD_PAIRS)
    # Uncertainty of the estimate and spread between hours add up.
    strength = 1 / (1 / stories + min(share_spread, MOST_SHARE_SPREAD))
    return Expectation(
        rate=shape / (hours + PRIOR_HOURS),
        size=1 / (1 / shape + spread),
        share=share,
        a=share * strength,
        b=(1 - share) * strength,
    )


def warming_up(baseline: Baseline, time: int, config: WatchConfig) -> bool:
    """Whether the prior still weighs much at ``time``."""
    young = time - baseline.began < config.warm_up_ms
    return young or baseline.documents < config.warm_up_documents


def _decayed(baseline: Baseline, time: int, config: WatchConfig) -> Baseline:
    """The sums as of ``time``; unchanged where that is not later."""
    if time <= baseline.learned_to:
        return baseline
    life = config.half_life_ms / HOUR / log(2)
    kept = exp(-(time - baseline.learned_to) / HOUR / life)
    return Baseline(
        baseline.began,
        time,
        baseline.hour,
        baseline.hours * kept + life * (1 - kept),
        baseline.negative * kept,
        baseline.total * kept,
        baseline.squares * kept,
        baseline.share_excess * kept,
        baseline.share_weight * kept,
        baseline.hour_negative,
        baseline.hour_total,
        baseline.documents,
    )


def _with_hour_ended(baseline: Baseline, hour: int) -> Baseline:
    """The baseline with the hour's moments taken in, where ``hour`` is another one."""
    if hour == baseline.hour:
        return baseline
    negative, total = baseline.hour_negative, baseline.hour_total
    share = _share(baseline, 1.0)
    chance = share * (1 - share) * total
    return msgspec.structs.replace(
        baseline,
        hour=hour,
        squares=baseline.squares + negative * negative,
        share_excess=baseline.share_excess + (negative - share * total) ** 2 - chance,
        share_weight=baseline.share_weight + chance * max(0, total - 1),
        hour_negative=0,
        hour_total=0,
    )


def _share(baseline: Baseline, kept: float) -> float:
    seen = baseline.negative * kept + PRIOR_SHARE * PRIOR_STORIES
    return seen / (baseline.total * kept + PRIOR_STORIES)


def _rate_spread(negative: float, hours: float, squares: float) -> float:
    """The squared coefficient of variation of the hourly rate, beyond Poisson, shrunk."""
    spread = 0.0
    if hours > 0 and negative > 0:
        mean = negative / hours
        variance = squares / hours - mean * mean
        spread = min(max(0.0, variance - mean) / (mean * mean), MOST_RATE_SPREAD)
    prior = PRIOR_RATE_SPREAD * PRIOR_SPREAD_HOURS
    return (prior + spread * hours) / (PRIOR_SPREAD_HOURS + hours)
