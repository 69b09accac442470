"""Documents keep their identity, authors lose theirs."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import document_id, pseudonym

KEY = b"a key of the test's own"


def test_a_given_id_is_kept() -> None:
    assert document_id(" tag:x,2021:/a<b>&amp; ") == "tag:x,2021:/a<b>&amp;"
    assert document_id(17) == "17"
    assert document_id(0) == "0"


@pytest.mark.parametrize("missing", [None, "", "  \n"])
def test_without_an_id_the_content_is_the_identity(missing: str | None) -> None:
    made = document_id(missing, "title", "body", "source", 5, None)
    assert len(made) == 34
    assert made.startswith("h-")
    assert made == document_id(None, "title", "body", "source", 5, None)
    assert made != document_id(None, "title", "body", "source", 6, None)
    assert made != document_id(None, "title", "body", "source", 5, "author")


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_no_two_contents_share_an_identity(one: list[str], other: list[str]) -> None:
    assert (document_id(None, *one) == document_id(None, *other)) == (one == other)


def test_two_overlong_ids_stay_two() -> None:
    one, other = document_id("x" * 1000 + "1"), document_id("x" * 1000 + "2")
    assert one != other
    assert len(one) == 34
    assert document_id("a\u202eb") != document_id("ab")


def test_a_name_has_one_pseudonym_however_it_is_written() -> None:
    made = pseudonym("Jane Doe", KEY)
    assert made is not None
    assert len(made) == 16
    for same in ("jane doe", "  JANE\u00a0 DOE ", "Jane\u200b Doe", "Ｊane Doe"):
        assert pseudonym(same, KEY) == made
    assert pseudonym("Jane Do", KEY) != made


def test_a_pseudonym_needs_the_key() -> None:
    made = pseudonym("Jane Doe", KEY)
    assert made != pseudonym("Jane Doe", b"another key")
    assert made != hashlib.sha256(b"jane doe").hexdigest()[:16]


@pytest.mark.parametrize("nobody", [None, "", " ", "\u200b"])
def test_nobody_has_no_pseudonym(nobody: str | None) -> None:
    assert pseudonym(nobody, KEY) is None
