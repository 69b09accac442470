"""Metrics by the book; logs without secrets."""

import io
import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from barograph import logs
from barograph.metrics import PrometheusMeter


def test_counters_gauges_and_distributions_come_out_with_their_labels() -> None:
    meter = PrometheusMeter()
    meter.add("barograph_webhook_attempts", sink="w", outcome="ok")
    meter.add("barograph_webhook_attempts", 2, sink="w", outcome="ok")
    meter.set("barograph_consumer_lag_records", 5, origin="news/0")
    meter.observe("barograph_publish_to_decision_seconds", 0.2)
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(meter.exposition().decode())
        for sample in family.samples
    }
    ok = (("outcome", "ok"), ("sink", "w"))
    assert samples[("barograph_webhook_attempts_total", *ok)] == 3
    assert samples[("barograph_consumer_lag_records", ("origin", "news/0"))] == 5
    assert samples[("barograph_publish_to_decision_seconds_count",)] == 1


def test_only_the_model_in_service_is_named() -> None:
    meter = PrometheusMeter()
    meter.set("barograph_model_info", 1, version="old")
    meter.set("barograph_model_info", 1, version="new")
    text = meter.exposition().decode()
    assert 'version="new"' in text
    assert 'version="old"' not in text


def test_two_meters_do_not_mix() -> None:
    one, other = PrometheusMeter(), PrometheusMeter()
    one.add("barograph_documents")
    assert "barograph_documents_total 0.0" in other.exposition().decode()


def test_an_unknown_metric_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        PrometheusMeter().add("barograph_typo")


def test_logs_are_json_and_hold_no_secret() -> None:
    output = io.StringIO()
    log = logs.set_up("info", "json", output)
    log.info("connecting", url="redis://user:open-sesame@host:1/0", author_key="open-sesame")
    log.warning("refused", reason="Authorization: Bearer open-sesame-open-sesame")
    log.info("sink", detail="whsec_b3BlbnNlc2FtZQ==", token="open-sesame")
    logging.getLogger("barograph.x").warning("to redis://:open-sesame@host")
    try:
        raise RuntimeError("cannot reach redis://:open-sesame@host")
    except RuntimeError as problem:
        log.error("failed", exc_info=problem)
    text = output.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 5
    assert "open-sesame" not in text
    assert "b3BlbnNlc2FtZQ" not in text
    assert lines[0]["url"] == "redis://***@host:1/0"
    assert lines[0]["level"] == "info"
    assert lines[0]["timestamp"].endswith("Z")


def test_the_level_is_kept() -> None:
    output = io.StringIO()
    logs.set_up("warning", "console", output).info("not shown")
    assert output.getvalue() == ""
