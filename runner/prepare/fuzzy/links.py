"""Pairs of rows that nearly repeat each other: proposed by equal bands, verified, and no more of
them than connect the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.prepare.fuzzy.engine import Engine
from runner.prepare.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Hashes = NDArray[np.uint64]
    Band = tuple[Hashes, Rows]

NEIGHBOURS = 64
"""Rows of one bucket are compared with so many rows behind them, unless they are connected by
then; a bucket of thousands of dissimilar rows would be millions of pairs."""


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of rows at or above the threshold that connect the clusters: a spanning forest and
    what was found beside it. Arrays are parallel."""

    left: Rows
    right: Rows
    score: NDArray[np.float64]
    root: Rows
    """Per row of the texts, the smallest row of its cluster; itself for a row alone."""


def connect(texts: Texts, engine: Engine) -> Links:
    """Sign, propose and verify until every proposed pair is connected or found too different.

    The components are those of all verified pairs, in whatever order they come.
    """
    import numpy as np

    size = len(texts)
    parent = np.arange(size)
    kept: list[tuple[Rows, Rows, NDArray[np.float64]]] = []
    refused = np.empty(0, np.int64)
    keys_of_bands = engine.band_keys(texts)

    def shared(band: Hashes) -> Band:
        return crowded(band, engine.rivals(band))

    with texts.scattered():
        for bands in _rounds(engine.each(shared, keys_of_bands)):
            for pairs in _proposals(bands, size):
                left, right = np.divmod(pairs, size)
                fresh = (engine.roots(parent, left) != engine.roots(parent, right)) & ~among(
                    pairs, refused
                )
                left, right = left[fresh], right[fresh]
                score = engine.jaccard(texts, left, texts, right)
                good = score >= engine.plan.threshold
                refused = np.sort(np.concatenate((refused, (left * size + right)[~good])))
                kept.append((left[good], right[good], score[good]))
                engine.unite(parent, left[good], right[good])
    root = engine.roots(parent, np.arange(size))
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    ends = [np.concatenate(parts) for parts in zip(nothing, *kept, strict=True)]
    return Links(ends[0], ends[1], ends[2], root)


def _rounds(bands: Sequence[Band]) -> Iterator[Sequence[Band]]:
    """One band, one more, two, four, and so on: what is connected by then need not be compared,
    and what is left in the later bands is little, more of which is sooner shared by threads."""
    low, high = 0, 1
    while low < len(bands):
        yield bands[low:high]
        low, high = high, 2 * high


def _proposals(bands: Sequence[Band], size: int) -> Iterator[Rows]:
    """Pairs of rows in one bucket, nearest neighbours first, each as the smaller row times `size`
    plus the other, in that order: the texts lie in it. Whoever takes them may have connected some
    rows before the next come."""
    import numpy as np

    for step in range(1, NEIGHBOURS + 1):
        found = [
            rows[meets] * size + rows[meets + step]
            for keys, rows in bands
            if len(meets := np.flatnonzero(keys[step:] == keys[:-step]))
        ]
        if not found:
            break
        pairs = np.sort(np.concatenate(found))
        yield pairs[np.append(True, pairs[1:] != pairs[:-1])]


def among(pairs: Rows, known: Rows) -> NDArray[np.bool_]:
    """Which of the pairs stand in a sorted array."""
    import numpy as np

    if not len(known):
        return np.zeros(len(pairs), np.bool_)
    at = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == pairs
    return found


def crowded(band: Hashes, rivals: Rows) -> Band:
    """The keys that several rows have, and those rows, sorted by key and row; `rivals` are the
    rows, in order, among which these stand."""
    import numpy as np

    keys = band[rivals]
    order = np.argsort(keys)
    keys, rows = keys[order], rivals[order]
    same = keys[1:] == keys[:-1]
    crowd = np.zeros(len(keys), np.bool_)
    crowd[1:] |= same
    crowd[:-1] |= same
    keys, rows = keys[crowd], rows[crowd]
    # The sort was the quick one, which mixes the rows of a key: they are sorted within it.
    before = np.cumsum(np.append(False, keys[1:] != keys[:-1])[: len(keys)]) * len(band)
    return keys, np.sort(before + rows) - before
