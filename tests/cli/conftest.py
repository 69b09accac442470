"""The command line as a function, away from this machine's settings and folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from barograph.cli import app

Barograph = Callable[..., Result]


@pytest.fixture
def barograph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Barograph:
    """Run ``barograph`` with arguments; ``input`` is its standard input."""
    for name in os.environ:
        if name.startswith("BAROGRAPH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BAROGRAPH_CLASSIFY__THREADS", "1")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, input: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=input)

    return run
