"""How tokenised texts are cut into batches for an engine."""

from collections.abc import Iterator, Sequence


def equal_length_batches(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    """Positions of ``lengths`` in batches whose texts all have the same number of tokens.

    Without padding no work is wasted, and no text's answer can depend on its neighbours. A
    batch holds at most ``token_budget`` tokens, but always at least one text. Those with most
    tokens come first, so that threads that share the work end together.
    """
    by_length: dict[int, list[int]] = {}
    for position, length in enumerate(lengths):
        by_length.setdefault(length, []).append(position)
    batches = [
        (length * len(batch), batch)
        for length, positions in by_length.items()
        for batch in _cut(positions, max(1, token_budget // max(1, length)))
    ]
    batches.sort(key=lambda batch: batch[0], reverse=True)
    return (batch for _, batch in batches)


def _cut(positions: list[int], step: int) -> Iterator[list[int]]:
    for start in range(0, len(positions), step):
        yield positions[start : start + step]
