"""Secrets that the program makes for itself and keeps in its data folder, for its owner only."""

import os
import secrets
from pathlib import Path

from barograph.settings import SettingsProblem


def kept_secret(file: Path) -> str:
    """The secret in ``file``; made at random, with mode 0600, where there is none yet.

    Two processes that start at once agree: the file is linked into place by the first one.
    Raises SettingsProblem where it cannot be read or made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        text = file.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise SettingsProblem(f"cannot keep a secret in {file}: {problem.strerror}") from problem
    if not text:
        raise SettingsProblem(f"{file} is empty: remove it, and a new secret is made")
    return text


def _make(file: Path) -> None:
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(secrets.token_urlsafe(32) + "\n")
        output.flush()
        os.fsync(descriptor)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
