import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.message import to_message
from ingest.parse import Malformed, Policy, parse
from ingest.record import Origin, Record

POLICY = Policy(key=b"one key")
NOW = 1_700_000_000_000
text = st.text(max_size=60)


def document(row: dict[str, object]):
    return parse(Record(json.dumps(row).encode(), Origin("http"), 1, NOW), POLICY, NOW)


@given(
    st.fixed_dictionaries(
        {"text": text, "published_at": st.integers(100_000_000_000, NOW)},
        optional={
            "id": text,
            "title": text,
            "body": text,
            "source": text,
            "author": text,
            "subject": text,
            "symbols": st.lists(text, max_size=3),
            "kind": st.sampled_from(["news", "comment"]),
            "url": st.just("https://example.com/a"),
            "lang": st.just("en"),
        },
    )
)
def test_a_message_made_of_a_document_is_read_as_the_same_document(row):
    try:
        first = document(row)
    except Malformed:
        return
    again = parse(Record(to_message(first), Origin("news"), 7, NOW), POLICY, NOW)
    assert again == first


def test_the_author_s_name_is_not_in_the_message():
    row = {"text": "Oil rises", "published_at": "2023-03-01T10:00:00Z", "author": "Jane Roe"}
    message = to_message(document(row))
    assert b"Jane" not in message
    assert json.loads(message)["author_pseudonym"] == document(row).author


def test_only_a_real_pseudonym_passes_for_one():
    row = {"text": "Oil rises", "published_at": "2023-03-01T10:00:00Z"}
    assert document(row | {"author_pseudonym": "Jane Roe"}).author is None
    assert document(row | {"author_pseudonym": "Jane", "author": "x"}).author != "Jane"
