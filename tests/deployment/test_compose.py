"""docker-compose.yml: valid by the specification's own schema, whole, and free of secrets."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft201909Validator

from barograph.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
ROLES = {name: one for name, one in SERVICES.items() if "barograph" in one.get("image", "")}


def test_it_is_valid_by_the_compose_specification():
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    assert [error.message for error in Draft201909Validator(schema).iter_errors(COMPOSE)] == []


def test_the_schema_does_refuse():
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    wrong = COMPOSE | {"services": SERVICES | {"watch": {"comand": "x"}}}
    assert list(Draft201909Validator(schema).iter_errors(wrong))


def test_every_role_runs_somewhere():
    chosen = {
        role
        for service in ROLES.values()
        for role in service["command"][service["command"].index("--roles") + 1].split(",")
    }
    assert chosen == {"ingest", "classify", "watch", "deliver", "serve"}


@pytest.mark.parametrize("name", ROLES)
def test_every_variable_is_a_setting(name):
    for variable, value in ROLES[name]["environment"].items():
        group, _, field = variable.removeprefix("BAROGRAPH_").lower().partition("__")
        assert group in Settings.model_fields
        if field:
            assert field in type(getattr(Settings(), group)).model_fields, variable
        assert isinstance(value, str), f"{variable} must be written as text"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_whether_it_is_well(name):
    assert SERVICES[name]["healthcheck"]["test"]


def test_copies_of_a_role_have_different_instance_ids():
    ids = [service["environment"]["BAROGRAPH_INSTANCE_ID"] for service in ROLES.values()]
    assert len(set(ids)) == len(ids)


def test_no_secret_is_in_the_file():
    uncommented = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    assert not re.search(r"whsec_|password|author_key|tokens", uncommented, re.IGNORECASE)


def test_the_gpu_is_asked_for_only_under_its_profile():
    for name, service in SERVICES.items():
        devices = service.get("deploy", {}).get("resources", {}).get("reservations", {})
        assert bool(devices.get("devices")) == (service.get("profiles") == ["gpu"]), name


def test_kafka_needs_no_zookeeper_and_the_store_keeps_a_log():
    assert "broker,controller" in SERVICES["kafka"]["environment"]["KAFKA_PROCESS_ROLES"]
    command = SERVICES["valkey"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
