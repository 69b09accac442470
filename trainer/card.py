"""The model card of a version: what it is, what it was made of, how good it is, in pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.pictures import pictures
from trainer.scorecard import Scorecard

PICTURED = ("en_topic_dev", "en_sentiment_dev", "en_sentfin_dev")


def write_card(folder: Path, manifest: Mapping[str, Any], scorecards: Sequence[Scorecard]) -> None:
    """Write MODEL_CARD.md into ``folder``, and beside it card/ with the pictures."""
    (folder / "card").mkdir()
    parts = [_head(manifest), _table(scorecards)]
    for card in scorecards:
        parts.append(_classes(card))
        if card.name in PICTURED:
            parts.append(_pictures(folder / "card", card))
    (folder / "MODEL_CARD.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _head(manifest: Mapping[str, Any]) -> str:
    calibration, crossed = manifest["calibration"], manifest["calibration_error_crossed"]
    left_out = "; ".join(f"{name}: {rows}" for name, rows in manifest["left_out"].items())
    return f"""# {manifest["version"]}

A BERT encoder with two heads: 20 topics and 3 sentiments of English financial news and comments.
Licence: {manifest["licence"]}.

Meant for: headlines, news teasers, posts and comments, read in windows of 128 tokens. Not meant
for: other languages, advice, decisions about persons. The sentiment is that of the text towards
what it speaks of, not a forecast of a price.

Made from: {", ".join(manifest["data_sha256"])}. Left out: {left_out or "nothing"}. Texts of the
rows cannot be had back from this folder; `trained_on.safetensors` holds their MinHash
signatures, so that a test row that copies one is recognised.

Engines: the 8-bit CPU engine gives the label of the torch engine on
{_by_head(manifest["engine_agreement"])} of the held-out rows and loses
{_by_head(manifest["engine_accuracy_loss"])} of accuracy.

Calibration: temperature {calibration["topic_temperature"]} for topics,
{calibration["sentiment_temperature"]} for sentiments{_own(calibration["sentiment_by_topic"])}.
Expected calibration error on rows that had no part in fitting the temperatures:
{", ".join(f"{name} {value:.3f}" for name, value in crossed.items())}. Below a confidence of
{calibration["topic_floor"]} the answer is given as unsure."""


def _by_head(values: Mapping[str, float]) -> str:
    return ", ".join(f"{100 * value:.2f} % ({head})" for head, value in values.items())


def _own(by_topic: Mapping[str, float]) -> str:
    if not by_topic:
        return ""
    return " (" + ", ".join(f"{topic}: {value}" for topic, value in by_topic.items()) + ")"


def _table(scorecards: Sequence[Scorecard]) -> str:
    lines = [
        "## Held-out sets",
        "",
        "No row of these sets is a copy of a training row. In brackets: 95 % bootstrap intervals.",
        "",
        "| set | head | rows | accuracy | macro-F1 | negative recall | ROC-AUC | ECE |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for card in scorecards:
        accuracy, f1, recall = card.accuracy, card.macro_f1, card.negative_recall
        lines.append(
            f"| {card.name} | {card.head} | {card.rows}"
            f" | {accuracy.value:.3f} ({accuracy.low:.3f}-{accuracy.high:.3f})"
            f" | {f1.value:.3f} ({f1.low:.3f}-{f1.high:.3f})"
            f" | {'' if recall is None else f'{recall.value:.3f}'}"
            f" | {'' if card.macro_roc_auc is None else f'{card.macro_roc_auc:.3f}'}"
            f" | {card.calibration_error.value:.3f} |"
        )
    return "\n".join(lines)


def _classes(card: Scorecard) -> str:
    lines = [
        f"## {card.name}, {card.head}",
        "",
        "| label | rows | precision | recall | F1 | ROC-AUC |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.label.replace('|', '&#124;')} | {one.support} | {one.precision:.3f}"
        f" | {one.recall:.3f} | {one.f1:.3f}"
        f" | {'' if one.roc_auc is None else f'{one.roc_auc:.3f}'} |"
        for one in card.labels
    ]
    return "\n".join(lines)


def _pictures(folder: Path, card: Scorecard) -> str:
    lines = []
    for name, image in pictures(card).items():
        file = folder / f"{card.name}-{name}.png".replace("/", "-")
        file.write_bytes(image)
        lines.append(f"![{card.name}: {name}](card/{file.name})")
    return "\n\n".join(lines)
