"""Settings: where they come from, and what is said of a wrong one."""

import os
from pathlib import Path

import pytest

from barograph.settings import SettingsProblem, load


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("BAROGRAPH_"):
            monkeypatch.delenv(name)


def test_without_any_setting_one_process_does_everything() -> None:
    settings = load()
    assert settings.embedded
    assert [sink.type for sink in settings.sink_configs()] == ["jsonl"]


def test_lists_may_be_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS", "a:1, b:2")
    monkeypatch.setenv("BAROGRAPH_SERIES_BY", "topic,symbol")
    monkeypatch.setenv("BAROGRAPH_WATCH__WINDOWS_SECONDS", "300,600")
    settings = load()
    assert settings.kafka_config("watch").bootstrap_servers == ("a:1", "b:2")
    assert settings.kafka_config("watch").group == "barograph-watch"
    assert settings.series_by == ("topic", "symbol")
    assert settings.watch_config().windows_ms == (300_000, 600_000)


def test_a_given_value_beats_the_environment_which_beats_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('data_dir = "from-file"\n[http]\nport = 1\nhost = "::1"\nmax_documents = 5\n')
    monkeypatch.setenv("BAROGRAPH_HTTP__PORT", "2")
    monkeypatch.setenv("BAROGRAPH_HTTP__HOST", "127.0.0.2")
    settings = load(file, http={"host": "127.0.0.3"})
    assert settings.data_dir == Path("from-file")
    http = settings.http
    assert (http.host, http.port, http.max_documents) == ("127.0.0.3", 2, 5)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BAROGRAPH_KAFAK__GROUP", "x", "BAROGRAPH_KAFKA"),
        ("BAROGRAPH_KAFKA__BOOTSTRAP_SERVER", "a:1", "bootstrap_servers"),
        ("BAROGRAPH_HTTP__PORT", "99999", "BAROGRAPH_HTTP__PORT"),
        ("BAROGRAPH_HTTP__PORT", "99999", "99999"),
        ("BAROGRAPH_SERIES_BY", "topics", "'symbol'"),
        ("BAROGRAPH_SINKS", "[{", "sinks"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsProblem, match=words):
        load()


def test_windows_that_do_not_fit_the_bucket_are_refused() -> None:
    settings = load(watch={"windows_seconds": [90]})
    with pytest.raises(SettingsProblem, match="multiple of the bucket"):
        settings.watch_config()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAROGRAPH_AUTHOR_KEY", "open-sesame")
    monkeypatch.setenv("BAROGRAPH_REDIS__URL", "redis://:open-sesame@host/0")
    monkeypatch.setenv("BAROGRAPH_KAFKA__OPTIONS__SASL_PLAIN_PASSWORD", "open-sesame")
    monkeypatch.setenv(
        "BAROGRAPH_SINKS",
        '[{"type": "webhook", "name": "w", "url": "https://x", "secrets": ["open-sesame"]}]',
    )
    settings = load()
    assert "open-sesame" not in repr(settings)
    assert "open-sesame" not in repr(settings.sink_configs())
    monkeypatch.setenv("BAROGRAPH_SINKS", '[{"type": "webhook", "secret": "open-sesame"}]')
    with pytest.raises(SettingsProblem) as told:
        load()
    assert "open-sesame" not in str(told.value)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_new\nwhsec_old\n")
    sink = {"type": "webhook", "name": "w", "url": "https://x", "secret_file": str(file)}
    (config,) = load(sinks=[sink]).sink_configs()
    assert config.secrets == ("whsec_new", "whsec_old")
