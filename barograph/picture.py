"""Series with their alerts, as a PNG or an HTML page."""

import base64
import html
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerts.baseline import begin, expect, learn, skip_to
from alerts.line import iso
from alerts.rules import DAY, HOUR, WatchConfig
from alerts.telling import duration
from barograph.summary import Episode
from classifier.reading import Reading

_MOST_PANELS = 4
_MOST_BARS = 400
_WIDTHS = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY)
_RED, _FAINT, _LINE, _SHADE = "#b3261e", "#c9ced6", "#1f4e79", "#f2b8a0"


@dataclass
class Timeline:
    """Distinct stories of each series by bucket: negative ones, and all."""

    config: WatchConfig
    negative: dict[str, Counter[int]] = field(default_factory=dict)
    total: dict[str, Counter[int]] = field(default_factory=dict)
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, readings: list[Reading]) -> None:
        """Count readings as the windows do: copies of a story within the longest one count once."""
        for reading in readings:
            if reading.late:
                continue
            key = (reading.series, reading.story)
            before = self._seen.get(key)
            if before is not None and abs(reading.event_time - before) < self.config.longest_ms:
                continue
            self._seen[key] = reading.event_time
            bucket = self.config.bucket_of(reading.event_time)
            self.total.setdefault(reading.series, Counter())[bucket] += 1
            if reading.sentiment == "negative":
                self.negative.setdefault(reading.series, Counter())[bucket] += 1

    def bars(self, counts: Counter[int], width: int) -> dict[int, int]:
        """Counts by the start of their bar, ``width`` ms wide."""
        found: Counter[int] = Counter()
        for bucket, count in counts.items():
            found[bucket - bucket % width] += count
        return dict(found)

    def expected(self, series: str, episodes: list[Episode], width: int) -> list[tuple[int, float]]:
        """(start, negatives expected in ``width`` ms) as learned, frozen during alerts."""
        total = self.total[series]
        negative = self.negative.get(series, Counter())
        spans = [(e.first.started_at, e.ended_at or 1 << 62) for e in episodes]
        buckets = sorted(total)
        baseline = begin(buckets[0])
        points: list[tuple[int, float]] = []
        place = 0
        for start in range(buckets[0] - buckets[0] % width, buckets[-1] + width, width):
            while place < len(buckets) and buckets[place] < start:
                bucket = buckets[place]
                place += 1
                span = next((s for s in spans if s[0] <= bucket < s[1]), None)
                if span is not None:
                    baseline = skip_to(baseline, min(span[1], bucket + self.config.bucket_ms))
                else:
                    baseline = learn(baseline, bucket, negative[bucket], total[bucket], self.config)
            rate = expect(baseline, start, self.config).rate
            points.append((start, rate * width / HOUR))
        return points


def draw(path: Path, timeline: Timeline, episodes: list[Episode], title: str) -> None:
    """Write the picture to ``path`` (.png or .html). Raises OSError, ValueError (other suffix)."""
    if path.suffix.lower() not in (".png", ".html"):
        raise ValueError(f"a picture ends in .png or .html, not {path.suffix or path.name!r}")
    image = _png(timeline, episodes, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".png":
        path.write_bytes(image)
    else:
        path.write_text(_page(image, episodes, title), encoding="utf-8")


def _chosen(timeline: Timeline, episodes: list[Episode]) -> list[str]:
    """The series with the strongest alerts; the busiest where fewer than two have any."""
    by_alert = sorted(episodes, key=lambda e: e.peak.p_value)
    names = dict.fromkeys(e.first.series for e in by_alert if e.first.series in timeline.total)
    chosen = list(names)[:_MOST_PANELS]
    busiest = sorted(timeline.total, key=lambda s: (-timeline.total[s].total(), s))
    for name in busiest:
        if len(chosen) >= 2:
            break
        if name not in chosen:
            chosen.append(name)
    return chosen


def _png(timeline: Timeline, episodes: list[Episode], title: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to load
    from matplotlib.figure import Figure

    names = _chosen(timeline, episodes)
    figure = Figure(figsize=(16, 9), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=17, fontweight="bold", x=0.005, ha="left")
    panels = figure.subplots(max(1, len(names)), 1, squeeze=False, sharex=True)[:, 0]
    width = _width(timeline, names)
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, timeline, name, [e for e in episodes if e.first.series == name], width)
    if not names:
        panels[0].text(0.5, 0.5, "no documents", ha="center", transform=panels[0].transAxes)
    else:
        _label_time(panels[-1])
        handles, labels = _legend(panels)
        figure.legend(
            handles, labels, loc="outside upper right", ncols=4, frameon=False, fontsize=12
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _legend(panels: Any) -> tuple[list[Any], list[str]]:
    """One entry for each kind of mark, whichever panel has it."""
    found: dict[str, Any] = {}
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _label_time(panel: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC, minticks=5, maxticks=12)
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    panel.set_xlabel("published (UTC)", fontsize=11)


def _width(timeline: Timeline, names: list[str]) -> int:
    """How much time a bar stands for: an hour, or more where bars would be too thin to see."""
    buckets = [bucket for name in names for bucket in timeline.total[name]]
    span = max(buckets) - min(buckets) if buckets else 0
    return next((w for w in _WIDTHS if span / w <= _MOST_BARS), _WIDTHS[-1])


def _panel(panel: Any, timeline: Timeline, name: str, episodes: list[Episode], width: int) -> None:
    total = timeline.bars(timeline.total[name], width)
    negative = timeline.bars(timeline.negative.get(name, Counter()), width)
    starts = list(range(min(total), max(total) + width, width))
    edges = [_date(start) for start in [*starts, starts[-1] + width]]
    heights = [total.get(start, 0) for start in starts]
    label = f"all stories in {duration(width)}"
    panel.stairs(heights, edges, fill=True, color=_FAINT, alpha=0.7, label=label)
    bars = [negative.get(start, 0) for start in starts]
    panel.stairs(bars, edges, fill=True, color=_RED, alpha=0.9, label="negative")
    known_from = min(total) + timeline.config.warm_up_ms
    points = [p for p in timeline.expected(name, episodes, width) if p[0] >= known_from]
    panel.plot(
        [_date(start + width // 2) for start, _ in points],
        [value for _, value in points],
        color=_LINE,
        linewidth=1.6,
        label="negative, expected",
    )
    top = max(max(heights, default=1), 1)
    strongest = sorted(episodes, key=lambda e: e.peak.p_value)
    for episode in episodes:
        begun = episode.first.started_at
        # A short alert in a long picture must still be seen.
        least = (starts[-1] + width - starts[0]) // 250
        end = max(episode.ended_at or starts[-1] + width, begun + least)
        named = "alert" if episode is episodes[0] else None
        panel.axvspan(
            _date(begun), _date(end), color=_SHADE, alpha=0.5, lw=0, zorder=0, label=named
        )
    _annotate(panel, strongest[:3], top)
    panel.set_title(name, loc="left", fontsize=13)
    panel.set_ylim(0, top * 1.35)
    panel.set_xlim(edges[0], edges[-1])
    panel.yaxis.get_major_locator().set_params(integer=True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", alpha=0.25)


def _annotate(panel: Any, episodes: list[Episode], top: int) -> None:
    from matplotlib.dates import date2num  # slow to load

    low, high = panel.get_xlim()
    for row, episode in enumerate(episodes):
        peak = episode.peak
        text = (
            f"{iso(episode.first.started_at)[:16].replace('T', ' ')}  {episode.last.severity}: "
            f"{peak.observed_negative} negative in {duration(peak.window_ms)}, "
            f"{peak.expected_negative:.1f} expected"
        )
        place = date2num(_date(episode.first.started_at))
        right = place > (low + high) / 2
        panel.annotate(
            text,
            (place, top * (1.26 - 0.14 * row)),
            xytext=(-6 if right else 6, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            fontsize=10,
            color="#5c1a12",
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75},
        )


def _date(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1000, UTC)


def _page(image: bytes, episodes: list[Episode], title: str) -> str:
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(str(value))}</td>"
            for value in (
                episode.first.series,
                episode.last.severity,
                iso(episode.first.started_at),
                iso(episode.peak.event_time),
                "still firing" if episode.ended_at is None else iso(episode.ended_at),
                episode.peak.observed_negative,
                f"{episode.peak.expected_negative:.1f}",
                episode.peak.summary,
            )
        )
        + "</tr>"
        for episode in episodes
    )
    heads = ["series", "severity", "start", "peak", "end", "negative", "expected", "summary"]
    head = "".join(f"<th>{name}</th>" for name in heads)
    encoded = base64.b64encode(image).decode()
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1600px; color: #222 }}
img {{ max-width: 100% }} table {{ border-collapse: collapse; margin-top: 1rem }}
th, td {{ text-align: left; padding: .3rem .8rem; vertical-align: top }}
tr {{ border-bottom: 1px solid #ddd }}
</style></head><body>
<h1>{html.escape(title)}</h1>
<img alt="negative stories an hour, expected and observed" src="data:image/png;base64,{encoded}">
<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>
</body></html>
"""
