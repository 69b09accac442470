"""What a sink needs to know, and how a wrong setting is told."""

from dataclasses import dataclass, field
from pathlib import Path


class SinkProblem(ValueError):
    """A sink that cannot be opened as it is configured."""


@dataclass(frozen=True)
class SinkConfig:
    """One sink. ``secrets`` are Standard Webhooks secrets ("whsec_..."), the newest first.

    With two of them each message bears two signatures, for as long as a receiver changes over.
    ``allow_private`` lets a webhook go to addresses inside the network.
    """

    type: str
    name: str
    url: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    path: Path | None = None
    allow_private: bool = False
    timeout_s: float = 10.0
