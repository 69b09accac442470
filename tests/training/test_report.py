"""The page and its pictures."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classifier.labels import SENTIMENTS, TOPICS
from trainer.pictures import NAMES
from trainer.report import pictures, write_report
from trainer.scorecard import Scorecard, scorecard

VOID = {"meta", "img", "br", "hr", "link", "input"}


def card(head: str, rows: int = 400, seed: int = 1) -> Scorecard:
    labels = TOPICS if head == "topic" else SENTIMENTS
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(labels), rows)
    logits = random.normal(size=(rows, len(labels)))
    logits[np.arange(rows), truth] += 2
    table = np.exp(logits)
    return scorecard("a <set>", head, labels, table / table.sum(1, keepdims=True), truth)


@pytest.fixture(scope="module")
def cards() -> list[Scorecard]:
    return [card("topic"), card("sentiment")]


class Tags(HTMLParser):
    """Opens and closes tags as a browser with no mercy would."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href"):
                self.addresses.append(value)
            if tag == "img" and name == "alt":
                assert value

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("head", ["topic", "sentiment"])
def test_each_picture_is_a_png_of_modest_size(cards: list[Scorecard], head: str) -> None:
    drawn = pictures(next(one for one in cards if one.head == head))
    assert tuple(drawn) == NAMES
    for name, content in drawn.items():
        assert len(content) < 60_000, name
        picture = Image.open(io.BytesIO(content))
        assert picture.format == "PNG"
        assert len(picture.getcolors()) > 8, "not empty"


def test_the_same_scorecard_gives_the_same_pictures(cards: list[Scorecard]) -> None:
    assert pictures(cards[1]) == pictures(cards[1])


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_few_rows_and_absent_labels_are_drawn_too(rows: int) -> None:
    assert all(pictures(card("topic", rows)).values())


def test_the_page_needs_nothing_beside_it_and_closes_what_it_opens(
    cards: list[Scorecard], tmp_path: Path
) -> None:
    file = write_report(tmp_path / "deep" / "report", cards, {"File <b>": "a & b"})
    assert file == tmp_path / "deep" / "report" / "report.html"
    assert list(file.parent.iterdir()) == [file]
    page = file.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(tags.addresses) == 2 * len(NAMES)
    for address in tags.addresses:
        assert address.startswith("data:image/png;base64,")
        assert base64.b64decode(address.split(",")[1], validate=True)[:4] == b"\x89PNG"
    assert not re.search(r"https?://|<script|@import|url\(", page)


def test_the_page_says_the_figures_and_what_it_was_told(
    cards: list[Scorecard], tmp_path: Path
) -> None:
    page = write_report(tmp_path, cards, {"File <b>": "a & b"}).read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    words = " ".join(tags.words)
    assert "File <b>" in words, "escaped in the page, and so read as text"
    assert "a & b" in words
    for one in cards:
        assert f"{one.head.capitalize()}: a <set>" in words
        assert f"{one.accuracy.value:.3f}" in words
        for label in one.labels:
            assert label.label in words
            assert f"{label.f1:.3f}" in words
    assert words.count("negative recall") == 1, "topics have none"
