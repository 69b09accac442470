"""Texts as windows of token numbers: a long text is read in pieces, not cut."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer


class WindowTokenizer:
    """Turns each text into one or more windows that the encoder can read.

    ``max_tokens`` bounds a window, its two special tokens included; ``max_windows`` bounds
    the work that one text can ask for.
    """

    def __init__(self, file: Path, max_tokens: int = 128, max_windows: int = 8) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._max_windows = max_windows

    def windows(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """For each text its windows, each a list of token numbers."""
        encoded = self._tokenizer.encode_batch_fast(
            list(texts)
        )  # fast: without the places in the text
        return [
            [first.ids, *(more.ids for more in first.overflowing[: self._max_windows - 1])]
            for first in encoded
        ]
