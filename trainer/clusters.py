"""Near-duplicates by MinHash: which texts are copies, and which test rows a version has seen.

A text's signature is 64 bytes: of each of 64 fixed permutations of the hashes of its three-letter
sequences, the lowest eight bits of the least (b-bit MinHash, Li and Koenig, 2010). Two texts
agree in a byte with the probability of their Jaccard similarity, or by chance in one of 256.
The text cannot be had back from it, so a version may carry the signatures of its training rows.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from classifier.text import story_text

Signatures = NDArray[np.uint8]

HASHES = 64
# From here on two texts are copies: see docs/decisions/0008-near-duplicates.md.
COPY = 0.7
TRAINED_ON = "trained_on.safetensors"

_SCHEME = (
    "minhash 3-grams 64x8 bits, 1"  # another number where a signature would come out different
)
_GRAM = 3
_CHANCE = 1 / 256
_GRAMS_AT_ONCE = 1 << 17
_PAIRS_AT_ONCE = 1 << 18


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread over all 64 bits (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


# The permutations: h -> h * factor + shift modulo 2**64, whose upper half is compared. Made from
# the numbers 1 to 128 alone, in whole numbers: the same on every machine and with every numpy.
_STREAM = _mixed(np.arange(1, 2 * HASHES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
_FACTORS, _SHIFTS = _STREAM[:HASHES] | np.uint64(1), _STREAM[HASHES:]


def signatures(texts: Sequence[str]) -> Signatures:
    """The signature of each text (made the same by ``story_text``), in order: (rows, 64) bytes."""
    found = np.zeros((len(texts), HASHES), np.uint8)
    row = 0
    for block in _blocks([story_text(text).ljust(_GRAM) for text in texts]):
        counts = [len(text) - _GRAM + 1 for text in block]
        grams = np.concatenate([_grams(text) for text in block])
        starts = np.cumsum([0, *counts[:-1]])
        for place, (factor, shift) in enumerate(zip(_FACTORS, _SHIFTS, strict=True)):
            least = np.minimum.reduceat((grams * factor + shift) >> np.uint64(32), starts)
            found[row : row + len(block), place] = least & np.uint64(0xFF)
        row += len(block)
    return found


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, as many at once as fit a processor's cache."""
    block: list[str] = []
    size = 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= _GRAMS_AT_ONCE:
            yield block
            block, size = [], 0
    if block:
        yield block


def _grams(text: str) -> NDArray[np.uint64]:
    """A hash of each sequence of three characters; a code point has 21 bits."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    packed = (codes[:-2] << np.uint64(42)) | (codes[1:-1] << np.uint64(21)) | codes[2:]
    return _mixed(packed)


def similarity(one: Signatures, other: Signatures) -> NDArray[np.float64]:
    """The estimated Jaccard similarity row by row; 0 is about what strangers have."""
    share: NDArray[np.float64] = (one == other).mean(axis=-1)
    return (share - _CHANCE) / (1 - _CHANCE)


def _enough(threshold: float) -> int:
    """How many equal bytes an estimate of at least ``threshold`` takes."""
    share = threshold * (1 - _CHANCE) + _CHANCE
    return min(HASHES, max(1, math.ceil(share * HASHES - 1e-9)))


def clusters(found: Signatures, threshold: float = COPY) -> NDArray[np.int64]:
    """The cluster of each row, numbered from 0 in the order in which they first occur.

    Rows are in one cluster where a chain of copies connects them. Candidates are pairs that
    agree in a whole band of bytes, as every pair with few enough misses does in some band; each
    is then judged by all 64. Quick from a threshold of about 0.5 on.
    """
    if not len(found):
        return np.zeros(0, np.int64)
    distinct, row_of = np.unique(found, axis=0, return_inverse=True)
    parent = np.arange(len(distinct))
    enough = _enough(threshold)
    width = _band_width(enough)
    for start in range(0, HASHES - width + 1, width):
        band = np.ascontiguousarray(distinct[:, start : start + width])
        for one, other in _pairs(band):
            apart = _roots(parent, one) != _roots(parent, other)
            left, right = one[apart], other[apart]
            same = (distinct[left] == distinct[right]).sum(axis=1) >= enough
            _unite(parent, left[same], right[same])
    roots = _roots(parent, np.arange(len(distinct)))[row_of.reshape(-1)]
    _, first, number = np.unique(roots, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[number.reshape(-1)]


def _band_width(enough: int) -> int:
    """The widest band, for the fewest strangers, that misses no pair: more bands than misses."""
    return next(width for width in range(8, 0, -1) if HASHES // width > HASHES - enough)


def _pairs(band: Signatures) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of rows with equal bands, some hundred thousand at a time."""
    keys = band.view(f"V{band.shape[1]}").reshape(-1)
    _, group = np.unique(keys, return_inverse=True)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group))
    # Row number i of a group of n pairs with the n - 1 - i rows behind it.
    behind = ends[group[order]] - 1 - np.arange(len(order))
    total = np.cumsum(behind)
    cuts = np.searchsorted(total, np.arange(0, total[-1], _PAIRS_AT_ONCE), side="right")
    for low, high in itertools.pairwise([*dict.fromkeys(cuts.tolist()), len(order)]):
        count = behind[low:high]
        left = np.repeat(np.arange(low, high), count)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
        if len(left):
            yield order[left], order[left + 1 + offset]


def _roots(parent: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    while True:
        above = parent[rows]
        if np.array_equal(above, rows):
            return rows
        rows = above


def _unite(parent: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Join the pairs; the lower number becomes the root, so the result has no order in it."""
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        low, high = sorted((_root(parent, one), _root(parent, other)))
        parent[high] = low


def _root(parent: NDArray[np.int64], row: int) -> int:
    root = row
    while parent[root] != root:
        root = int(parent[root])
    while parent[row] != root:
        parent[row], row = root, int(parent[row])
    return root


def leaks(test: Signatures, trained: Signatures, threshold: float = COPY) -> NDArray[np.bool_]:
    """Whether each test row is a copy of some row that was trained on: every pair is compared."""
    leaked = np.zeros(len(test), np.bool_)
    columns = np.ascontiguousarray(np.unique(trained, axis=0).T) if len(trained) else None
    if columns is None:
        return leaked
    enough = _enough(threshold)
    rows = max(1, (1 << 19) // columns.shape[1])
    for start in range(0, len(test), rows):
        block = test[start : start + rows]
        equal = np.zeros((len(block), columns.shape[1]), np.uint8)
        for place in range(HASHES):
            equal += block[:, place, None] == columns[place]
        leaked[start : start + rows] = equal.max(axis=1) >= enough
    return leaked


def save_trained_on(folder: Path, found: Signatures) -> None:
    """Keep the signatures of the rows that a version was trained on in its folder."""
    kept = np.unique(found.reshape(-1, HASHES), axis=0)
    # Not save_file: its files can be read by their owner only, and a version is for all to serve.
    (folder / TRAINED_ON).write_bytes(save({"signatures": kept}, {"scheme": _SCHEME}))


def load_trained_on(folder: Path) -> Signatures | None:
    """The signatures that a version folder keeps; None where it has none.

    Raises ValueError if the file is damaged or its signatures cannot be compared with ours.
    """
    file = folder / TRAINED_ON
    if not file.is_file():
        return None
    try:
        with safe_open(file, "numpy") as content:
            scheme = (content.metadata() or {}).get("scheme")
            kept: Signatures = content.get_tensor("signatures")
    except SafetensorError as problem:
        raise ValueError(f"{file} cannot be read: {problem}") from problem
    if scheme != _SCHEME or kept.dtype != np.uint8 or kept.shape[1:] != (HASHES,):
        raise ValueError(f"{file} holds other signatures ({scheme}) than this program's")
    return kept
