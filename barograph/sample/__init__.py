"""The sample stream that ships with the program: two weeks of March 2023."""

from pathlib import Path

_NAME = "svb_march_2023.jsonl"


def sample_path() -> Path:
    """The sample: JSON Lines, 1 to 15 March 2023 (UTC), ordered by time but for one late line."""
    return Path(__file__).with_name(_NAME)
