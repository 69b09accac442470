"""The sample stream that ships with the program: two weeks of March 2023.

The course of the banking crisis is as it was, to the hour; every sentence was written for this
file. Sources and authors are invented, and so are many of the everyday items around the crisis:
this is something to replay, not a record to cite.
"""

from pathlib import Path

_NAME = "svb_march_2023.jsonl"


def sample_path() -> Path:
    """The sample: JSON Lines, 1 to 15 March 2023 (UTC), ordered by time but for one late line."""
    return Path(__file__).with_name(_NAME)
