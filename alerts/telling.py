"""How a step of an alert is told: the transition, and one sentence that a person can read."""

from math import pow

from alerts.detector import RULE
from alerts.episode import ESCALATED, RESOLVED, Step
from alerts.rules import HOUR, MINUTE
from alerts.transition import Transition

_SMALLEST = 5e-324


def transition(series: str, step: Step, time: int, warming_up: bool) -> Transition:
    """The transition of ``series`` at the bucket end ``time``.

    A resolved one shows the peak.
    """
    episode, finding = step.episode, step.case.finding
    return Transition(
        alert_id=episode.alert_id,
        sequence=episode.sequence,
        type=step.type,
        series=series,
        rule=RULE,
        severity=episode.severity,
        event_time=time,
        started_at=episode.started_at,
        window_ms=finding.window_ms,
        observed_negative=finding.negative,
        expected_negative=finding.expected,
        observed_total=finding.total,
        share=finding.share,
        usual_share=finding.usual_share,
        p_value=p_value(finding.log_count),
        p_value_share=p_value(finding.log_share),
        copies=finding.copies,
        warming_up=warming_up,
        model_versions=step.case.models,
        documents=step.case.documents,
        summary=sentence(series, step, time, warming_up),
    )


def sentence(series: str, step: Step, time: int, warming_up: bool) -> str:
    """What happened to ``series``, in English."""
    finding = step.case.finding
    figures = (
        f"{finding.negative} negative of {finding.total} stories in {duration(finding.window_ms)} "
        f"where {finding.expected:.2g} negative were expected "
        f"({finding.share:.0%} against the usual {finding.usual_share:.0%})"
    )
    if finding.copies:
        figures += f", and {counted(finding.copies, 'copy', 'copies')} not counted"
    if step.type == RESOLVED:
        lasted = duration(time - step.episode.started_at)
        return f"{series}: back to normal after {lasted}; at the peak {figures}."
    verb = "bad news is still growing" if step.type == ESCALATED else "bad news surged"
    text = f"{series}: {verb}, {figures}."
    return text + " The baseline is still warming up." if warming_up else text


def duration(ms: int) -> str:
    """A length of time in words: "15 minutes", "1 hour", "1 hour 5 minutes"."""
    hours, rest = divmod(ms, HOUR)
    minutes = rest // MINUTE
    parts = [counted(hours, "hour", "hours")] if hours else []
    if minutes or not hours:
        parts.append(counted(minutes, "minute", "minutes"))
    return " ".join(parts)


def counted(count: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many}"


def p_value(log10_p: float) -> float:
    """The p-value of its base-10 logarithm, kept above zero."""
    return max(pow(10.0, log10_p), _SMALLEST)
