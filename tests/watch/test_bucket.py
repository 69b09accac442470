"""What a bucket makes of its readings."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.bucket import MOST_STORIES, MOST_WORST, STORY_BYTES, Bucket, close, entry_of
from classifier.reading import Reading
from tests.watch.streams import reading


def closed(readings: list[Reading], known: frozenset[bytes] = frozenset()) -> Bucket:
    return close(0, [entry_of(one) for one in readings], known)[0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(1, 6), st.booleans(), st.integers(1, 4), st.booleans()
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_does_not_matter(
    drawn: list[tuple[int, int, bool, int, bool]], chance: object
) -> None:
    readings = [
        reading(at, number, negative, story=f"{story:016x}", source="a" if wire else "b")
        for at, number, negative, story, wire in drawn
    ]
    shuffled = list(readings)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert closed(shuffled) == closed(readings)


def test_the_same_document_again_is_not_even_a_copy() -> None:
    twice = [entry_of(reading(1, 1)), entry_of(reading(1, 1))]
    bucket, repeated = close(0, twice, ())
    assert (bucket.total, bucket.copies, repeated) == (1, 0, 1)


def test_two_sources_may_use_the_same_id() -> None:
    bucket = closed([reading(1, 1, source="a", story="s"), reading(1, 1, source="b", story="t")])
    assert (bucket.total, bucket.copies) == (2, 0)


def test_copies_of_a_story_count_once_and_are_reported() -> None:
    bucket = closed([reading(i, i, negative=True, story="same") for i in range(100)])
    assert (bucket.total, bucket.negative, bucket.copies) == (1, 1, 99)


def test_a_story_counted_shortly_before_is_only_a_copy() -> None:
    first = closed([reading(1, 1, story="same")])
    again = closed([reading(2, 2, story="same")], frozenset(first.story_keys()))
    assert (again.total, again.copies) == (0, 1)


def test_the_worst_documents_come_first_and_only_negative_ones() -> None:
    bucket = closed(
        [
            reading(1, 1, negative=True, probability=0.6),
            reading(2, 2, negative=True, probability=0.99),
            reading(3, 3, negative=False, probability=1.0),
            reading(4, 4, negative=True, probability=0.8),
            reading(5, 5, negative=True, probability=0.7),
        ]
    )
    assert [document.document_id for document in bucket.worst] == ["d2", "d4", "d5"]
    assert len(bucket.worst) == MOST_WORST


def test_a_flood_of_stories_is_counted_whole_but_remembered_in_part() -> None:
    bucket = closed([reading(i, i) for i in range(MOST_STORIES + 500)])
    assert bucket.total == MOST_STORIES + 500
    assert len(bucket.stories) == MOST_STORIES * STORY_BYTES


def test_any_text_can_be_a_story_key() -> None:
    stories = ["", "abc", "ünïcode", "0" * 16, "zz" * 8, "00" * 7 + " 0"]
    bucket = closed([reading(i, i, story=story) for i, story in enumerate(stories)])
    assert bucket.total == len(stories)
