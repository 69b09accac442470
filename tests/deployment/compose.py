"""Reading docker-compose.yml as compose does: merged, and with variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"

# What a person has to put into .env.
FILLED_IN = {
    "BAROGRAPH_AUTHOR_KEY": "a-key-for-tests-only",
    "BAROGRAPH_HTTP__TOKENS": '[{"name": "desk", "token": "for-tests-only"}]',
}

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\}")


def read() -> dict[str, Any]:
    """The file, with anchors and merges resolved and variables left as they are."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content


def services() -> dict[str, dict[str, Any]]:
    """All services by name."""
    found: dict[str, dict[str, Any]] = read()["services"]
    return found


def roles() -> dict[str, dict[str, Any]]:
    """The services that run barograph."""
    return {name: body for name, body in services().items() if "build" in body}


def interpolate(text: str, given: Mapping[str, str]) -> str:
    """``text`` with its variables; raises KeyError where a required one is missing."""

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if given.get(name):
            return given[name]
        if match["how"] == ":?":
            raise KeyError(f"{name}: {match['rest']}")
        return match["rest"] or ""

    return _VARIABLE.sub(value, text)


def environment(name: str, given: Mapping[str, str] = FILLED_IN) -> dict[str, str]:
    """What a service's process sees; a variable without a value is handed through if given."""
    found = {}
    for variable, text in services()[name].get("environment", {}).items():
        if text is not None:
            found[variable] = interpolate(text, given)
        elif variable in given:
            found[variable] = given[variable]
    return found
