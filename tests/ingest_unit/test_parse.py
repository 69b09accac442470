"""A record becomes a document or says why not, and nothing else can happen."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.dead_letters import reason_class
from ingest.document import Document
from ingest.parse import Malformed, Policy, _Message, parse
from ingest.record import Origin, Record

NOW = 1_700_000_000_000
POLICY = Policy(key=b"secret" * 6)
GOOD: dict[str, Any] = {"id": "1", "text": "Shares fall", "published_at": "2021-01-04T10:00:00Z"}


def record(raw: bytes, logged_at: int | None = None, origin: str = "feed") -> Record:
    return Record(raw, Origin(origin), 1, logged_at)


def document(**keys: Any) -> Document:
    return parse(record(json.dumps({**GOOD, **keys}).encode()), POLICY, NOW)


def refusal(raw: bytes | dict[str, Any], policy: Policy = POLICY) -> str:
    raw = raw if isinstance(raw, bytes) else json.dumps({**GOOD, **raw}).encode()
    with pytest.raises(Malformed) as caught:
        parse(record(raw), policy, NOW)
    return str(caught.value)


def test_every_key_finds_its_place() -> None:
    made = document(
        summary="The teaser",
        body="The story",
        lang="en",
        source="Wire",
        kind="Comment",
        symbol="$aapl",
        symbols=["MSFT", "AAPL", "brk.b", "not a ticker"],
        board="stocks",
        url="https://example.com/a",
        time_precision="minute",
        is_retweet=True,
    )
    assert made == Document(
        id="1",
        title="Shares fall",
        body="The teaser The story",
        kind="comment",
        source="Wire",
        event_time=1_609_754_400_000,
        url="https://example.com/a",
        lang="en",
        symbols=("AAPL", "MSFT", "BRK.B"),
        subject="stocks",
    )


def test_what_is_not_said_has_a_plain_default() -> None:
    made = document()
    assert (made.kind, made.source, made.body, made.author) == ("news", "unknown", "", None)


def test_an_origin_may_hold_comments_by_default() -> None:
    policy = Policy(key=b"k", default_kind={"posts": "comment"})
    assert parse(record(json.dumps(GOOD).encode(), origin="posts"), policy, NOW).kind == "comment"
    assert parse(record(json.dumps(GOOD).encode(), origin="feed"), policy, NOW).kind == "news"


def test_a_text_beside_a_title_is_not_lost() -> None:
    made = document(title="A title", text="The text", body="The text")
    assert (made.title, made.body) == ("A title", "The text")


def test_a_body_alone_is_the_title() -> None:
    assert document(text="", body="Only this").title == "Only this"


@pytest.mark.parametrize(
    "written",
    [
        "2021-01-04T10:00:00Z",
        "2021-01-04T10:00:00",
        "2021-01-04 10:00:00+00:00",
        "2021-01-04T12:00:00.000+02:00",
        "2021-01-04T04:30:00-0530",
        " 2021-01-04T10:00:00.0004Z ",
        1_609_754_400,
        1_609_754_400.0,
        1_609_754_400_000,
        "1609754400",
        "1609754400000",
    ],
)
def test_one_moment_is_read_in_many_forms(written: str | float) -> None:
    assert document(published_at=written).event_time == 1_609_754_400_000


def test_a_date_is_its_first_instant_and_a_fraction_counts() -> None:
    assert document(published_at="2021-01-04").event_time == 1_609_718_400_000
    assert document(published_at=1_609_754_400.123).event_time == 1_609_754_400_123


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"text": "a"} trailing', "not JSON"),
        (b'{"text": NaN}', "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"text": "\xff\xfe\xfa\xfb"}', "not UTF-8"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"x":"\\ud83d","y":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "wrong type"),
        ({"text": 5}, "wrong type"),
        ({"text": ["a"]}, "wrong type"),
        ({"symbols": [1]}, "wrong type"),
        ({"published_at": True}, "wrong type"),
        ({"text": ""}, "no text"),
        ({"text": None}, "no text"),
        ({"text": " \u200b<b></b>&nbsp;"}, "no text"),
        ({"kind": "rumour"}, "unknown kind"),
        ({"published_at": None}, "no event time"),
        ({"published_at": ""}, "no event time"),
        ({"published_at": "yesterday"}, "event time not understood"),
        ({"published_at": "2021-13-01"}, "event time not understood"),
        ({"published_at": 0}, "event time is out of range"),
        ({"published_at": "0001-01-01T00:00:00+23:59"}, "event time is out of range"),
        ({"published_at": -1e300}, "event time is out of range"),
        ({"published_at": 1e300}, "event time is in the future"),
        ({"published_at": int("9" * 4000)}, "event time is in the future"),
        ({"published_at": "9999-12-31T23:59:59-23:59"}, "event time is in the future"),
        ({"text": "x" * 1_000_000}, "too large"),
    ],
)
def test_a_record_is_refused_with_its_reason(raw: bytes | dict[str, Any], reason: str) -> None:
    said = refusal(raw)
    assert reason_class(said) == reason
    assert len(said) < 300


def test_the_future_begins_at_the_log_s_clock_where_it_has_one() -> None:
    raw = json.dumps(GOOD | {"published_at": NOW}).encode()
    assert parse(record(raw, logged_at=NOW - 300_000), POLICY, 0).event_time == NOW
    with pytest.raises(Malformed, match=r"^event time is in the future"):
        parse(record(raw, logged_at=NOW - 300_001), POLICY, NOW)
    with pytest.raises(Malformed, match=r"^event time is in the future"):
        parse(record(raw), POLICY, NOW - 300_001)


def test_ten_megabytes_are_refused_by_default_and_cut_where_allowed() -> None:
    raw = json.dumps(GOOD | {"text": "word " * 2_000_000}).encode()
    assert refusal(raw).startswith("too large")
    made = parse(record(raw), Policy(key=b"k", max_bytes=20_000_000), NOW)
    assert len(made.title) <= 20_000
    assert made.title.endswith("word")


def test_half_a_character_costs_no_document() -> None:
    assert (
        parse(record(b'{"text":"up \\ud83d","published_at":1609754400}'), POLICY, NOW).title == "up"
    )


def test_duplicate_and_unknown_keys_do_no_harm() -> None:
    raw = b'{"text":"a","text":"b","published_at":1609754400,"x":{"y":[1e999]}}'
    assert parse(record(raw), POLICY, NOW).title == "b"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://a", "http://", "https://a b", "https://a\u202eb", "x" * 99],
)
def test_an_address_that_no_browser_should_open_is_left_out(url: str) -> None:
    assert document(url=url).url is None
    assert document(url="https://e.example/" + "x" * 3000).url is None


def test_symbols_are_bounded() -> None:
    made = document(symbols=["X" * 25] + [f"T{number}" for number in range(100_000)])
    assert len(made.symbols) == 32
    assert made.symbols[0] == "T0"
    assert document(symbols="$tsla; ^GSPC,000001.SZ btc-usd").symbols == (
        "TSLA",
        "^GSPC",
        "000001.SZ",
        "BTC-USD",
    )


def test_a_document_never_shows_its_author() -> None:
    made = document(author="Zebediah Quux")
    assert made.author is not None
    assert len(made.author) == 16
    assert not {"zebediah", "quux"} & set(repr(made).lower().replace("'", " ").split())
    assert "quux" not in repr(made).lower()


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1))
def test_an_author_s_name_decides_only_the_pseudonym(name: str) -> None:
    made = document(author=name)
    other = document(author="someone else")
    assert (made.id, made.title, made.source) == (other.id, other.title, other.source)
    assert made.author is None or set(made.author) <= set("0123456789abcdef")


def test_the_key_does_not_show_in_the_policy() -> None:
    assert "secret" not in repr(POLICY)


def test_a_policy_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Policy(key=b"")
    with pytest.raises(ValueError, match="rumour"):
        Policy(key=b"k", default_kind={"a": "rumour"})


def outcome(raw: bytes) -> Document | str:
    try:
        return parse(record(raw), POLICY, NOW)
    except Malformed as refused:
        return str(refused)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(sorted(_Message.__struct_fields__))


@settings(max_examples=300, deadline=None)
@given(st.binary())
@example(b"\xff\xfe{\x00")
@example(b"{\x00\x00\xd8")
def test_any_bytes_become_a_document_or_a_refusal(raw: bytes) -> None:
    assert outcome(raw)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(KEYS, JSON, max_size=8), st.booleans(), st.booleans())
def test_any_json_becomes_a_document_or_a_refusal(
    keys: dict[str, Any], plain: bool, good: bool
) -> None:
    fields = GOOD | keys if good else keys
    text = json.dumps(fields, ensure_ascii=plain)
    made = outcome(text.encode("utf-8", "surrogatepass"))
    if isinstance(made, Document):
        repr(made).encode()
        assert made.title
        assert made.id
    else:
        made.encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70), st.binary(max_size=4)), min_size=1, max_size=4))
def test_a_mutated_message_becomes_a_document_or_a_refusal(cuts: list[tuple[int, bytes]]) -> None:
    raw = json.dumps(GOOD).encode()
    for place, put in cuts:
        raw = raw[:place] + put + raw[place + 1 :]
    assert outcome(raw)


@pytest.mark.shared
def test_every_row_of_the_real_streams_is_a_document(shared_data: Path) -> None:
    for path in sorted(shared_data.glob("stream_*.jsonl.gz")):
        with gzip.open(path) as lines:
            for line in list(lines)[::10]:
                assert parse(record(line), POLICY, NOW).title
