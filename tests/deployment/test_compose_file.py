"""docker-compose.yml is valid, complete and holds no secret."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main

from barograph.cli import app
from barograph.daemon import ROLES, chosen_roles
from barograph.settings import SettingsProblem, load
from tests.deployment import compose

SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|SINKS|SASL|JAAS", re.IGNORECASE)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    import os

    for name in list(os.environ):
        if name.startswith("BAROGRAPH_"):
            monkeypatch.delenv(name)
    return monkeypatch


def errors(content: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(content)]


def test_the_compose_file_follows_the_compose_specification() -> None:
    assert errors(compose.read()) == []


def test_the_schema_refuses_a_misspelt_key() -> None:
    broken = copy.deepcopy(compose.read())
    broken["services"]["watch"]["helthcheck"] = broken["services"]["watch"].pop("healthcheck")
    assert any("helthcheck" in error for error in errors(broken))


def test_every_role_has_a_service() -> None:
    covered = set()
    for body in compose.roles().values():
        covered |= chosen_roles(body["command"][-1], embedded=False)
    assert covered == set(ROLES)


@pytest.mark.parametrize("name", sorted(compose.roles()))
def test_the_command_of_a_service_is_one_that_barograph_understands(name: str) -> None:
    program, *arguments = compose.services()[name]["command"]
    assert program == "barograph"
    main = typer.main.get_command(app)
    context = main.make_context(program, list(arguments))
    command = main.commands[arguments[0]]  # type: ignore[attr-defined]
    given = command.make_context(arguments[0], list(arguments[1:]), parent=context)
    assert chosen_roles(given.params["roles"], embedded=False)


@pytest.mark.parametrize("name", sorted(compose.roles()))
def test_the_environment_of_a_service_is_understood(
    name: str, no_settings: pytest.MonkeyPatch
) -> None:
    for variable, value in compose.environment(name).items():
        no_settings.setenv(variable, value)
    settings = load()
    assert settings.kafka.bootstrap_servers == ("kafka:9092",)
    assert settings.kafka.topics == ("news", "comments")
    assert settings.http.host == "0.0.0.0"
    needs_store = name in {"watch", "deliver", "serve"}
    assert (settings.redis.url is not None) == needs_store
    assert settings.instance_id is None


def test_a_misspelt_variable_would_be_noticed(no_settings: pytest.MonkeyPatch) -> None:
    for variable, value in compose.environment("watch").items():
        no_settings.setenv(variable.replace("KAFKA__TOPICS", "KAFKA__TOPIC"), value)
    with pytest.raises(SettingsProblem, match="topic"):
        load()


def test_all_classify_copies_know_the_same_author_key_and_partitions() -> None:
    shared = ["BAROGRAPH_AUTHOR_KEY", "BAROGRAPH_KAFKA__READINGS_PARTITIONS"]
    for variable in shared:
        one, other = (compose.environment(n)[variable] for n in ("classify", "classify-gpu"))
        assert one == other


def test_the_file_holds_no_secret() -> None:
    for name, body in compose.services().items():
        for variable, value in body.get("environment", {}).items():
            if SECRET.search(variable):
                assert value is None or re.fullmatch(r"\$\{[^}]+\}", value), (name, variable)
    text = compose.FILE.read_text(encoding="utf-8")
    assert not re.search(r"whsec_[A-Za-z0-9]{4}", text)
    assert not re.search(r"://[^/\s:@]*:[^/\s@]+@", text), "an address with a password"
    for secret in compose.read()["secrets"].values():
        assert set(secret) == {"file"}, "a secret comes from a file of the user"


@pytest.mark.parametrize("variable", sorted(compose.FILLED_IN))
def test_compose_refuses_to_start_without_a_required_secret(variable: str) -> None:
    given = {**compose.FILLED_IN, variable: ""}
    with pytest.raises(KeyError, match=variable):
        compose.environment("ingest", given)
    example = (compose.ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(rf"^{variable}=$", example, re.MULTILINE), "named there, and empty"


def test_only_the_services_that_need_a_secret_get_it() -> None:
    holders = {
        variable: {n for n in compose.roles() if variable in compose.environment(n)}
        for variable in compose.FILLED_IN
    }
    assert holders["BAROGRAPH_AUTHOR_KEY"] == {"ingest", "classify", "classify-gpu"}
    assert holders["BAROGRAPH_HTTP__TOKENS"] == {"ingest", "serve"}


@pytest.mark.parametrize("name", sorted(compose.services()))
def test_every_service_has_a_health_check_and_comes_back(name: str) -> None:
    body = compose.services()[name]
    assert body["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert body["restart"] == "unless-stopped"
    for needed in body.get("depends_on", {}).values():
        assert needed == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", sorted(compose.roles()))
def test_a_role_has_no_more_rights_than_it_needs(name: str) -> None:
    body = compose.services()[name]
    assert body["read_only"] is True
    assert body["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in body.get("ports", []))


@pytest.mark.parametrize("name", sorted(compose.roles()))
def test_a_role_waits_for_what_its_addresses_name(name: str) -> None:
    body, given = compose.services()[name], compose.environment(name)
    speaks_kafka = name not in {"deliver", "serve"}
    needs = {"kafka"} if speaks_kafka else set()
    needs |= {"valkey"} if "BAROGRAPH_REDIS__URL" in given else set()
    assert set(body["depends_on"]) == needs
    for server in needs:
        shared = set(body["networks"]) & set(compose.services()[server]["networks"])
        assert shared, f"{name} and {server} share no network"


def test_the_classifier_has_a_gpu_only_under_its_profile() -> None:
    with_gpu = compose.services()["classify-gpu"]
    device = with_gpu["deploy"]["resources"]["reservations"]["devices"][0]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert with_gpu["profiles"] == ["gpu"]
    others = [body for name, body in compose.services().items() if name != "classify-gpu"]
    assert not any("profiles" in body or "deploy" in body for body in others)


def test_data_lies_in_named_volumes_and_the_store_keeps_a_log_of_writes() -> None:
    declared = set(compose.read()["volumes"])
    used = set()
    for body in compose.services().values():
        used |= {volume.partition(":")[0] for volume in body.get("volumes", [])}
    assert used == declared
    command = compose.services()["valkey"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"


def test_kafka_needs_no_zookeeper() -> None:
    given = compose.environment("kafka")
    assert given["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert not any("ZOOKEEPER" in variable for variable in given)


def test_what_the_image_is_built_from_is_let_into_the_build() -> None:
    lines = (compose.ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    allowed = (compose.ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert copied
    assert [source for source in copied if f"!{source}" not in allowed] == []
    absent = [source for source in copied if not (compose.ROOT / source).exists()]
    assert absent == []
    assert any(line.startswith("USER 10001") for line in lines)
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
