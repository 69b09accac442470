import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from classifier.engine import Prediction
from classifier.labels import TOPICS, UNSURE
from classifier.stage import Batch, ClassifyStage
from ingest.lateness import OriginClock
from ingest.parse import Policy
from ingest.record import Origin, Record

NOW = 1_700_000_000_000
NEWS = Origin("news", 0)


class ByLength:
    """Answers by the length of the text alone, as an engine must."""

    model_version = "by-length"

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        return [_prediction(len(text)) for text in texts]


def _prediction(length: int) -> Prediction:
    topic = [0.0] * len(TOPICS)
    topic[length % len(TOPICS)] = 1.0
    return Prediction(tuple(topic), (0.7, 0.2, 0.1) if length % 2 else (0.1, 0.2, 0.7))


def stage(*series_by, lateness: int = 60_000) -> ClassifyStage:
    return ClassifyStage(ByLength, Policy(key=b"k"), OriginClock(lateness), series_by or ("topic",))


def record(offset: int, text: str, seconds: float = 0, origin: Origin = NEWS, **more) -> Record:
    row = {"id": f"{origin}-{offset}", "text": text, "published_at": NOW / 1000 - 9999 + seconds}
    return Record(json.dumps(row | more).encode(), origin, offset, NOW)


def test_a_document_gives_one_reading_for_each_of_its_series():
    batch = stage("topic", "symbol", "all").process(
        [record(1, "abc", symbols=["$tsla", "F"])], NOW, ("news/0",)
    )
    assert [r.series for r in batch.readings] == [
        f"topic:{TOPICS[3]}",
        "symbol:TSLA",
        "symbol:F",
        "all",
    ]
    assert {r.model_version for r in batch.readings} == {"by-length"}
    assert {r.sentiment for r in batch.readings} == {"negative"}


class Unsure(ByLength):
    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        return [
            replace(one, topic_sure=False, sentiment_sure=False) for one in super().classify(texts)
        ]


def test_what_the_model_is_unsure_of_is_neither_in_a_topic_nor_bad_news():
    unsure = ClassifyStage(Unsure, Policy(key=b"k"), OriginClock(60_000), ("topic", "all"))
    batch = unsure.process([record(1, "abc")], NOW, ("news/0",))
    assert [r.series for r in batch.readings] == ["topic:unsure", "all"]
    assert {(r.topic, r.sentiment) for r in batch.readings} == {(UNSURE, UNSURE)}
    assert max(batch.readings[0].topic_probabilities) == 1.0


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on():
    bad = Record(b"{no json", NEWS, 2, NOW)
    batch = stage().process([record(1, "a"), bad, record(3, "b")], NOW, ("news/0",))
    assert [letter.record for letter in batch.dead_letters] == [bad]
    assert [reading.offset for reading in batch.readings] == [1, 3]


def test_a_document_from_the_future_does_not_move_the_clock():
    batch = stage().process([record(1, "a", 1e6), record(2, "b")], NOW, ("news/0",))
    assert "future" in batch.dead_letters[0].reason
    assert [mark.event_time for mark in batch.marks] == [NOW - 9_999_000]


def test_an_origin_that_was_only_dead_letters_is_marked_as_silent():
    batch = stage().process([Record(b"", NEWS, 1, NOW)], NOW, ("news/0",))
    assert [(mark.origin, mark.event_time) for mark in batch.marks] == [("news/0", None)]


def test_names_of_authors_do_not_reach_the_log():
    batch = stage().process([record(1, "a", author="Jane Roe")], NOW, ("news/0",))
    assert "Jane" not in repr(batch)
    assert batch.readings[0].author


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 400), st.text("abc", min_size=1)), max_size=60
    ),
    st.lists(st.integers(1, 20), min_size=1),
)
def test_readings_do_not_depend_on_how_the_records_were_batched(rows, cuts):
    records = [
        record(i, text, seconds, Origin("news", partition))
        for i, (partition, seconds, text) in enumerate(rows)
    ]

    def run(sizes: list[int]) -> list[object]:
        ours, start, found = stage(), 0, Batch()
        while start < len(records):
            size = sizes.pop(0) if sizes else 7
            found.readings += ours.process(records[start : start + size], NOW, ()).readings
            start += size
        return found.readings

    assert run([1] * len(records)) == run(list(cuts)) == run([1000])
