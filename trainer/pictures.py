"""Pictures of a scorecard: small PNG files for the report and the model card."""

import io
from typing import Any

import numpy as np

from trainer.scorecard import LabelScore, Scorecard

NAMES = ("confusion", "reliability", "roc", "coverage", "labels")

_RED, _FAINT, _LINE, _SHADE, _INK = "#b3261e", "#c9ced6", "#1f4e79", "#f2b8a0", "#222222"
_FEW = 6  # labels that can all be told apart by colour
_MARKED = (_RED, "#e08214", "#2a7f62", _LINE)
_COLOURS = 64
_FEWEST_ROWS = 30  # below, the share of right answers is noise
_NAMED_FLOORS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def pictures(scorecard: Scorecard) -> dict[str, bytes]:
    """The PNG of each of NAMES."""
    draw = (_confusion, _reliability, _roc, _coverage, _labels)
    return {name: one(scorecard) for name, one in zip(NAMES, draw, strict=True)}


def _figure(width: float, height: float, title: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to load
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    _plain(panel)
    panel.set_title(title, loc="left", fontsize=12, fontweight="bold", color=_INK)
    return figure, panel


def _plain(panel: Any) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color("#999999")
    panel.tick_params(labelsize=9, color="#999999", labelcolor=_INK)


def _png(figure: Any) -> bytes:
    """The figure in few colours: a third of the bytes, and nobody sees the difference."""
    from PIL import Image  # comes with matplotlib

    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _confusion(card: Scorecard) -> bytes:
    from matplotlib.colors import LinearSegmentedColormap  # slow to load

    counts = np.array(card.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(counts) <= _FEW
    figure, panel = _figure(*((5.2, 4.4) if few else (9.4, 8.2)), "Confusion: rows by label")
    blues = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#9db7d1", _LINE])
    panel.imshow(shares, cmap=blues, vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(counts), strict=True):
        panel.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            fontsize=12 if few else 8,
            color="white" if shares[row, column] > 0.55 else _INK,
        )
    names = [one.label for one in card.labels]
    turned: dict[str, Any] = (
        {} if few else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    )
    panel.set_xticks(range(len(names)), names, **turned)
    panel.set_yticks(range(len(names)), names)
    panel.set_xlabel("the model's answer", fontsize=10)
    panel.set_ylabel("the label; the colour is the share of its row", fontsize=10)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    return _png(figure)


def _reliability(card: Scorecard) -> bytes:
    error = card.calibration_error
    title = f"Calibration: error {error.value:.3f} ({error.low:.3f} to {error.high:.3f})"
    figure, panel = _figure(5.4, 4.6, title)
    full = [(one, one.accuracy, one.confidence) for one in card.reliability if one.rows]
    width = card.reliability[0].high - card.reliability[0].low
    centres = [(one.low + one.high) / 2 for one, _, _ in full]
    accuracy = [right for _, right, _ in full]
    panel.bar(centres, accuracy, width * 0.92, color="#9db7d1", label="right", zorder=2)
    claimed = [sure for _, _, sure in full]
    panel.plot(claimed, claimed, "o", color=_RED, markersize=4, label="claimed", zorder=4)
    panel.plot([0, 1], [0, 1], color=_INK, lw=1, ls=":", zorder=3)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("confidence of the answer", fontsize=10)
    panel.set_ylabel("share", fontsize=10)
    panel.legend(frameon=False, fontsize=9, loc="upper left")
    below = panel.inset_axes((0.0, -0.36, 1.0, 0.16), sharex=panel)
    _plain(below)
    below.bar(centres, [one.rows for one, _, _ in full], width * 0.92, color=_FAINT)
    below.set_ylabel("rows", fontsize=9)
    below.tick_params(labelbottom=False)
    below.yaxis.get_major_locator().set_params(nbins=2, integer=True)
    return _png(figure)


def _roc(card: Scorecard) -> bytes:
    area = "none" if card.macro_roc_auc is None else f"{card.macro_roc_auc:.3f}"
    figure, panel = _figure(5.4, 4.6, f"One label against the rest: mean area {area}")
    known = sorted((one for one in card.labels if one.roc_auc is not None), key=_area)
    marked = known[: _FEW if len(known) <= _FEW else len(_MARKED)]
    for one in known[len(marked) :]:
        curve = card.roc[one.label]
        panel.plot(curve.false_positive, curve.true_positive, color=_FAINT, lw=1)
    for number, one in enumerate(marked):
        curve = card.roc[one.label]
        colour = _MARKED[number % len(_MARKED)]
        label = f"{one.label}  {one.roc_auc:.3f}"
        panel.plot(curve.false_positive, curve.true_positive, color=colour, lw=1.8, label=label)
    if len(known) > len(marked):
        panel.plot([], [], color=_FAINT, lw=1, label=f"the other {len(known) - len(marked)}")
    panel.plot([0, 1], [0, 1], color=_INK, lw=1, ls=":")
    panel.set_xlim(-0.01, 1)
    panel.set_ylim(0, 1.01)
    panel.set_xlabel("false alarms among other rows", fontsize=10)
    panel.set_ylabel("found among the label's rows", fontsize=10)
    if marked:
        panel.legend(frameon=False, fontsize=9, loc="lower right", title="area, least first")
    return _png(figure)


def _area(one: LabelScore) -> float:
    return one.roc_auc or 0.0


def _labels(card: Scorecard) -> bytes:
    scores = sorted((one for one in card.labels if one.support), key=lambda one: one.f1)
    figure, panel = _figure(6.0, max(4.6, 1.3 + 0.26 * len(scores)), "Each label")
    places = np.arange(len(scores))
    panel.barh(places, [one.f1 for one in scores], 0.62, color="#9db7d1", label="F1")
    precision, recall = [one.precision for one in scores], [one.recall for one in scores]
    panel.plot(precision, places, "o", color=_LINE, markersize=5, label="precision")
    panel.plot(recall, places, "D", color=_RED, markersize=4.5, label="recall")
    panel.set_yticks(places, [f"{one.label}  ({one.support:,})" for one in scores])
    panel.set_xlim(0, 1.01)
    panel.set_ylim(-0.6, len(scores) - 0.4)
    panel.grid(axis="x", alpha=0.25)
    panel.set_axisbelow(True)
    figure.legend(frameon=False, fontsize=9, ncols=3, loc="outside lower right")
    return _png(figure)


def _coverage(card: Scorecard) -> bytes:
    figure, panel = _figure(5.4, 4.6, "Saying nothing where unsure")
    least_share = min(_FEWEST_ROWS / card.rows, 1)
    points = [one for one in card.coverage if one.coverage >= least_share]
    kept = [(one.coverage, one.accuracy) for one in points if one.accuracy is not None]
    panel.plot(*zip(*kept, strict=True), color=_LINE, lw=1.8)
    last = None
    for one in points:
        if one.accuracy is None or one.floor not in _NAMED_FLOORS:
            continue
        if last is not None and abs(last - one.coverage) < 0.04:
            continue
        last = one.coverage
        panel.plot(one.coverage, one.accuracy, "o", color=_RED, markersize=5)
        text = "all answered" if one.floor == 0 else f"{one.floor:g}"
        panel.annotate(
            text,
            (one.coverage, one.accuracy),
            xytext=(-7, -4) if one.floor == 0 else (5, 5),
            textcoords="offset points",
            ha="right" if one.floor == 0 else "left",
            va="top" if one.floor == 0 else "bottom",
            fontsize=9,
        )
    least = min(accuracy for _, accuracy in kept)
    panel.set_xlim(0, 1.06)
    panel.set_ylim(max(0.0, least - 0.04), min(1.0, max(a for _, a in kept)) + 0.02)
    panel.set_xlabel("share of rows answered; at the points: the least confidence", fontsize=10)
    panel.set_ylabel("right among the answered", fontsize=10)
    panel.grid(alpha=0.25)
    return _png(figure)
