"""Scorecards as one HTML page that needs nothing beside it."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.intervals import Estimate
from trainer.pictures import NAMES, pictures
from trainer.scorecard import Scorecard

__all__ = ["FLOOR", "pictures", "write_report"]

FLOOR = 0.8  # of confidence: the one that summaries name
_TOLD = {
    "confusion": "How many rows of each label got which answer",
    "reliability": "Confidence and accuracy by bins of confidence",
    "roc": "ROC curves, one label against the rest",
    "labels": "F1, precision and recall of each label",
    "coverage": "Accuracy of the answers that are given, by the share of rows answered",
}

_STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #666; --line: #dfe3e8; --blue: #1f4e79 }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); margin: 0;
  background: #f5f6f8 }
main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.5rem 3rem }
h1 { font-size: 1.7rem; margin: 0 0 .8rem } h2 { font-size: 1.3rem; margin: 2.4rem 0 .8rem }
section, .about { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: 1.2rem 1.4rem }
section { margin-top: 1.6rem } section h2 { margin-top: 0 }
dl.about { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: .6rem;
  list-style: none; margin: 0 0 1.2rem; padding: 0 }
.tiles li { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .6rem }
.tiles span { display: block; color: var(--soft); font-size: .78rem }
.tiles strong { font-size: 1.3rem; color: var(--blue); font-variant-numeric: tabular-nums }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr));
  gap: 1rem; align-items: center }
figure { margin: 0; text-align: center } .wide { grid-column: 1 / -1 }
img { max-width: 100%; height: auto }
table { border-collapse: collapse; width: 100%; margin-top: 1.2rem;
  font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 } td:first-child, th:first-child { text-align: left }
footer { color: var(--soft); font-size: .85rem; margin-top: 1.6rem }
"""

_NOTE = (
    "In brackets: 95 % intervals from 1,000 bootstrap resamples of the rows, with a fixed seed. "
    "Macro averages are plain means over the labels that occur. The calibration error is the "
    "expected one, over 15 bins. The Brier score goes from 0 (best) to 2."
)


def write_report(folder: Path, scorecards: Sequence[Scorecard], about: Mapping[str, str]) -> Path:
    """Write report.html into ``folder`` and return its path; ``about`` heads it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.html"
    file.write_text(_page(scorecards, about), encoding="utf-8")
    return file


def _page(scorecards: Sequence[Scorecard], about: Mapping[str, str]) -> str:
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in about.items()
    )
    known = f'<dl class="about">{facts}</dl>' if facts else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Barograph: evaluation</title><style>{_STYLE}</style></head><body><main>
<h1>Evaluation</h1>
{known}
{"".join(map(_section, scorecards))}
<footer>{_NOTE}</footer>
</main></body></html>
"""


def _section(card: Scorecard) -> str:
    images = pictures(card)
    title = html.escape(f"{card.head.capitalize()}: {card.name}")
    return f"""<section><h2>{title}</h2>
<ul class="tiles">{_tiles(card)}</ul>
<div class="pictures">{"".join(_picture(card, name, images[name]) for name in NAMES)}</div>
{_table(card)}</section>
"""


def _tiles(card: Scorecard) -> str:
    kept = card.at(FLOOR)
    sure = (
        "no answer" if kept.accuracy is None else f"{kept.coverage:.1%}, {kept.accuracy:.1%} right"
    )
    rows = [
        ("rows", f"{card.rows:,}", ""),
        ("accuracy", *_figures(card.accuracy)),
        ("macro-F1", *_figures(card.macro_f1)),
        ("negative recall", *_figures(card.negative_recall)),
        ("macro ROC-AUC", _number(card.macro_roc_auc), ""),
        ("calibration error", *_figures(card.calibration_error)),
        ("Brier score", f"{card.brier:.3f}", f"log loss {card.log_loss:.3f}"),
        (f"sure (≥ {FLOOR:g})", *sure.split(", ")),
    ]
    return "".join(
        f"<li><span>{name}</span><strong>{value}</strong><span>{beside or '&nbsp;'}</span></li>"
        for name, value, *rest in rows
        if value != "-"
        for beside in [rest[0] if rest else ""]
    )


def _figures(one: Estimate | None) -> tuple[str, str]:
    if one is None:
        return "-", ""
    return f"{one.value:.3f}", f"({one.low:.3f} to {one.high:.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _picture(card: Scorecard, name: str, image: bytes) -> str:
    encoded = base64.b64encode(image).decode()
    wide = name == "confusion" and len(card.labels) > 6
    place = ' class="wide"' if wide else ""
    alt = html.escape(f"{_TOLD[name]} ({card.head}, {card.name})")
    return f'<figure{place}><img alt="{alt}" src="data:image/png;base64,{encoded}"></figure>'


def _table(card: Scorecard) -> str:
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("label", "rows", "precision", "recall", "F1", "ROC-AUC")
    )
    lines = "".join(
        f"<tr><td>{html.escape(one.label)}</td><td>{one.support:,}</td>"
        f"<td>{one.precision:.3f}</td><td>{one.recall:.3f}</td><td>{one.f1:.3f}</td>"
        f"<td>{_number(one.roc_auc)}</td></tr>"
        for one in card.labels
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
