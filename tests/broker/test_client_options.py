"""Client settings, which may come from environment variables, reach the client as it wants them."""

import pytest

from ingest.broker import BrokerProblem, KafkaConfig
from ingest.broker.client import client_options


def _options(**given: object) -> dict[str, object]:
    return client_options(KafkaConfig(("one:9092", "two:9092"), options=given))


def test_text_becomes_what_the_client_takes() -> None:
    options = _options(ssl_check_hostname="false", request_timeout_ms="5000", ssl_cafile="/ca")
    assert options["ssl_check_hostname"] is False
    assert options["request_timeout_ms"] == 5000
    assert options["ssl_cafile"] == "/ca"
    assert options["bootstrap_servers"] == ["one:9092", "two:9092"]


def test_an_object_is_named_by_where_it_is_found() -> None:
    options = _options(sasl_oauth_token_provider="collections:OrderedDict")
    assert type(options["sasl_oauth_token_provider"]).__name__ == "OrderedDict"
    with pytest.raises(BrokerProblem, match=r"package\.module:name"):
        _options(ssl_context="nothing")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("ssl_check_hostname", "perhaps", "true or false"),
        ("request_timeout_ms", "soon", "a number"),
        ("ssl_cafiel", "/ca", "did you mean 'ssl_cafile'"),
        ("group_id", "mine", "unknown Kafka client setting 'group_id'"),
        ("enable_auto_commit", "true", "unknown"),
        ("bootstrap_servers", "other:9092", "unknown"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(key: str, value: str, said: str) -> None:
    with pytest.raises(BrokerProblem, match=said):
        _options(**{key: value})
