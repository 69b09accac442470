"""Is there more bad news than expected, and is it worse in tone? A finding needs both."""

from collections.abc import Sequence
from math import log10, sqrt

import msgspec

from alerts.baseline import Expectation
from alerts.rules import HOUR, WatchConfig
from alerts.tails import beta_binomial_tail, negative_binomial_tail
from alerts.windows import Sums

RULE = "negative-spike"
WARNING, CRITICAL = "warning", "critical"

MOST_DRAWS = 5_000
"""Beyond this many stories, chance adds nothing to how the share varies between hours; more of
them are scaled down, so that a flood does not make the tail slow."""


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """One window against the baseline. Tails are base-10 logarithms of p-values.

    A tail that cannot matter is not computed: it is 0 (p = 1).
    """

    window_ms: int
    negative: int
    total: int
    copies: int
    expected: float
    usual_share: float
    log_count: float = 0.0
    log_share: float = 0.0

    @property
    def share(self) -> float:
        """The negative share of the stories."""
        return self.negative / self.total if self.total else 0.0

    def exceeds(self, count: float, share: float, minimum: int) -> bool:
        """Whether both p-values are below these, with at least ``minimum`` negative stories."""
        return (
            self.negative >= minimum
            and self.log_count < log10(count)
            and self.log_share < log10(share)
        )

    def alarming(self, config: WatchConfig) -> bool:
        """Whether it is above the alarm line."""
        return self.exceeds(config.count_threshold, config.share_threshold, config.minimum_negative)

    def uneasy(self, config: WatchConfig) -> bool:
        """Whether it is above the calm line, which an alert needs to go on."""
        return self.exceeds(config.calm_count, config.calm_share, 1)

    def severity(self, config: WatchConfig) -> str:
        """Critical where both tails are far out, else warning."""
        far = self.exceeds(config.critical_count, config.critical_share, 1)
        return CRITICAL if far else WARNING


def judge(
    windows: Sequence[Sums], usual: Expectation, minimum: int, config: WatchConfig
) -> list[Finding]:
    """One finding for each window, in their order.

    Windows with fewer than ``minimum`` negative stories are not looked at closer.
    """
    return [_finding(sums, usual, minimum, config) for sums in windows]


def strongest(findings: Sequence[Finding], config: WatchConfig) -> Finding | None:
    """The alarming finding with the smallest p-value, if any is alarming."""
    alarming = [finding for finding in findings if finding.alarming(config)]
    return min(alarming, key=lambda finding: finding.log_count, default=None)


def _finding(sums: Sums, usual: Expectation, minimum: int, config: WatchConfig) -> Finding:
    window_ms, negative, total, copies = sums
    mean = usual.rate * (window_ms / HOUR)
    finding = Finding(window_ms, negative, total, copies, mean, usual.share)
    # Most windows are usual, and one within a standard deviation or the usual share surely is.
    if (
        negative < minimum
        or negative <= usual.share * total
        or negative <= mean + sqrt(mean + mean * mean / usual.size)
    ):
        return finding
    log_count = negative_binomial_tail(negative, mean, usual.size)
    if log_count >= log10(config.calm_count):
        return finding
    draws = min(total, MOST_DRAWS)
    log_share = beta_binomial_tail(negative * draws // total, draws, usual.a, usual.b)
    return msgspec.structs.replace(finding, log_count=log_count, log_share=log_share)
