"""What a replay found: counted as it goes, told at the end."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from alerts.line import alert_line, iso, rounded
from alerts.telling import counted
from alerts.transition import Transition
from barograph.chain import Step
from ingest.dead_letters import reason_class


@dataclass
class Episode:
    """One alert: its first transition, its worst and its end."""

    first: Transition
    peak: Transition
    last: Transition
    ended_at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The alert as the summary object has it; ``end`` is null while it still fires."""
        return {
            "alert_id": self.first.alert_id,
            "series": self.first.series,
            "severity": self.last.severity,
            "start": iso(self.first.started_at),
            "fired_at": iso(self.first.event_time),
            "peak": iso(self.peak.event_time),
            "end": None if self.ended_at is None else iso(self.ended_at),
            "observed_negative": self.peak.observed_negative,
            "expected_negative": rounded(self.peak.expected_negative),
            "observed_total": self.peak.observed_total,
            "p_value": rounded(self.peak.p_value),
            "transitions": self.last.sequence + 1,
            "summary": self.peak.summary,
        }


@dataclass
class Tally:
    """Counts documents, readings and alerts; a document once, in however many series."""

    documents: int = 0
    readings: int = 0
    late: int = 0
    duplicates: int = 0
    rejected: int = 0
    negative: int = 0
    classified: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    episodes: dict[str, Episode] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    first_time: int | None = None
    last_time: int | None = None

    def add(self, step: Step) -> None:
        """Take what came of a batch."""
        batch = step.batch
        self.documents += batch.documents
        self.readings += len(batch.readings)
        self.rejected += len(batch.dead_letters)
        self.duplicates += step.repeated
        for letter in batch.dead_letters:
            kind = reason_class(letter.reason)
            self.reasons[kind] = self.reasons.get(kind, 0) + 1
        seen: tuple[str, int] | None = None
        for reading in batch.readings:
            if (reading.origin, reading.offset) == seen:
                continue
            seen = (reading.origin, reading.offset)
            self.classified += 1
            self.late += reading.late
            self.negative += reading.sentiment == "negative"
            self.models.add(reading.model_version)
            time = reading.event_time
            self.first_time = time if self.first_time is None else min(self.first_time, time)
            self.last_time = time if self.last_time is None else max(self.last_time, time)
        self.take(step.transitions)

    def take(self, transitions: list[Transition]) -> None:
        """Take transitions, in order."""
        for transition in transitions:
            self.lines.append(alert_line(transition))
            known = self.episodes.get(transition.alert_id)
            if known is None:
                self.episodes[transition.alert_id] = Episode(transition, transition, transition)
                continue
            known.last = transition
            if transition.type == "resolved":
                known.ended_at = transition.event_time
            elif transition.p_value <= known.peak.p_value:
                known.peak = transition

    @property
    def negative_share(self) -> float:
        """Negative documents among the classified ones; 0 where there are none."""
        return self.negative / self.classified if self.classified else 0.0

    def digest(self) -> str:
        """SHA-256 as of ``LC_ALL=C sort alerts.jsonl | sha256sum``."""
        text = b"".join(line + b"\n" for line in sorted(self.lines))
        return hashlib.sha256(text).hexdigest()

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """The summary object of ``--json``."""
        return {
            "documents": self.documents,
            "readings": self.readings,
            "rejected": self.rejected,
            "rejected_by_reason": self.reasons,
            "late": self.late,
            "duplicates": self.duplicates,
            "negative_share": round(self.negative_share, 6),
            "from": None if self.first_time is None else iso(self.first_time),
            "to": None if self.last_time is None else iso(self.last_time),
            "alerts": [episode.as_dict() for episode in self.episodes.values()],
            "transitions": len(self.lines),
            "model_version": ",".join(sorted(self.models)) or None,
            "seconds": round(seconds, 3),
            "documents_per_second": round(self.documents / seconds, 1) if seconds > 0 else None,
            "digest": self.digest(),
        }


def show(tally: Tally, seconds: float, console: Console, most: int = 20) -> None:
    """Print the summary for a person."""
    span = ""
    if tally.first_time is not None and tally.last_time is not None:
        span = f", published {iso(tally.first_time)} to {iso(tally.last_time)}"
    speed = f" ({tally.documents / seconds:,.0f}/s)" if seconds > 0 else ""
    console.print(f"[bold]{tally.documents:,}[/] documents in {seconds:.1f} s{speed}{span}")
    console.print(
        f"{tally.negative_share:.1%} negative; {tally.rejected:,} refused, {tally.late:,} late,"
        f" {tally.duplicates:,} duplicate readings"
    )
    for reason, count in sorted(tally.reasons.items(), key=lambda item: -item[1])[:5]:
        console.print(f"  refused {count:,}: {reason}", markup=False)
    if not tally.episodes:
        console.print("No alert: bad news stayed within what each series expects.")
        return
    table = Table(  # light enough that names of series can be read in 80 columns
        box=box.SIMPLE_HEAD,
        title=f"{counted(len(tally.episodes), 'alert', 'alerts')} (UTC)",
        title_justify="left",
    )
    for name in ("series", "severity", "start", "peak", "end"):
        table.add_column(name, no_wrap=name != "series")
    table.add_column("negative\n(usual)", justify="right", no_wrap=True)
    worst = sorted(tally.episodes.values(), key=lambda e: e.peak.p_value)[:most]
    for episode in sorted(worst, key=lambda e: e.first.event_time):
        start = episode.first.started_at
        table.add_row(
            episode.first.series,
            episode.last.severity,
            _short(start),
            _after(episode.peak.event_time, start),
            "fires" if episode.ended_at is None else _after(episode.ended_at, start),
            f"{episode.peak.observed_negative} ({episode.peak.expected_negative:.1f})",
        )
    console.print(table)
    if len(tally.episodes) > most:
        console.print(f"The {most} strongest are shown; --alerts FILE has all of them.")


def _short(time: int) -> str:
    return iso(time)[:16].replace("T", " ")


def _after(time: int, start: int) -> str:
    """The hour alone on the same day."""
    moment, day = _short(time), _short(start)[:10]
    return moment[11:] if moment[:10] == day else moment[5:]
