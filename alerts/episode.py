"""The life of one alert: firing, escalated, resolved. Pure steps at bucket ends."""

import hashlib
from collections.abc import Callable, Sequence
from math import log10

import msgspec

from alerts.detector import CRITICAL, RULE, Finding, strongest
from alerts.rules import WatchConfig
from alerts.transition import Evidence

FIRING, ESCALATED, RESOLVED = "firing", "escalated", "resolved"


class Case(msgspec.Struct, frozen=True, array_like=True):
    """A finding, with the documents and model versions behind it."""

    finding: Finding
    documents: tuple[Evidence, ...]
    models: tuple[str, ...]


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """An alert that has not ended. Times are in ms: ``started_at`` a bucket's start, else ends.

    ``told_*`` is what the last transition said, ``peak`` the case with the smallest p-value so
    far; ``calm_since`` is None while any window is above the calm line.
    """

    alert_id: str
    fired_at: int
    started_at: int
    severity: str
    sequence: int
    told_negative: int
    told_log: float
    peak: Case
    calm_since: int | None = None


class Step(msgspec.Struct, frozen=True):
    """What there is to tell: the kind of transition, the episode then, and the case for it."""

    type: str
    episode: Episode
    case: Case


def alert_id(series: str, fired_at: int) -> str:
    """The same in every run over the same log.

    It hangs on when the alert fired: two alerts of a series may begin with the same bucket, but
    never fire at the same bucket end.
    """
    return hashlib.blake2b(f"{RULE}|{series}|{fired_at}".encode(), digest_size=10).hexdigest()


def fire(series: str, case: Case, time: int, started_at: int, config: WatchConfig) -> Step:
    """The first step of a new episode, at the bucket end ``time``."""
    finding = case.finding
    episode = Episode(
        alert_id=alert_id(series, time),
        fired_at=time,
        started_at=started_at,
        severity=finding.severity(config),
        sequence=0,
        told_negative=finding.negative,
        told_log=finding.log_count,
        peak=case,
    )
    return Step(FIRING, episode, case)


def go_on(
    episode: Episode,
    findings: Sequence[Finding],
    case_of: Callable[[Finding], Case],
    time: int,
    config: WatchConfig,
) -> tuple[Episode | None, Step | None]:
    """The episode after the bucket that ends at ``time``; None where that resolves it."""
    finding = strongest(findings, config)
    if finding is not None:
        if finding.log_count < episode.peak.finding.log_count:
            episode = msgspec.structs.replace(episode, peak=case_of(finding))
        if _is_worse(episode, finding, config):
            episode = msgspec.structs.replace(
                episode,
                severity=_greater(episode.severity, finding.severity(config)),
                sequence=episode.sequence + 1,
                told_negative=finding.negative,
                told_log=finding.log_count,
                calm_since=None,
            )
            return episode, Step(ESCALATED, episode, case_of(finding))
    if any(finding.uneasy(config) for finding in findings):
        return msgspec.structs.replace(episode, calm_since=None), None
    since = time if episode.calm_since is None else episode.calm_since
    if time - since < config.hold_ms:
        return msgspec.structs.replace(episode, calm_since=since), None
    last = msgspec.structs.replace(episode, sequence=episode.sequence + 1)
    return None, Step(RESOLVED, last, episode.peak)


def _is_worse(episode: Episode, finding: Finding, config: WatchConfig) -> bool:
    if _greater(episode.severity, finding.severity(config)) != episode.severity:
        return True
    doubled = finding.negative >= 2 * episode.told_negative
    return doubled and finding.log_count <= episode.told_log + log10(config.escalation_factor)


def _greater(one: str, other: str) -> str:
    return CRITICAL if CRITICAL in (one, other) else one
