"""The kernel of containment with numpy alone: the same results as `compiled_grams`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runner.prepare.substring.plain import ONE, tokens_of, windows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runner.prepare.substring.plain import Bytes, Hashes, Whole


def contain(
    data: Bytes,
    start: Whole,
    first: Whole,
    size: int,
    _ordered: Hashes,
    table: Hashes,
    ids: Whole,
    _bits: Hashes,
    low: Whole,
    rows: Whole,
    sizes: Whole,
    threshold: float,
    best: Whole,
    score: NDArray[np.float64],
    hit: Bytes,
) -> None:
    for text in np.flatnonzero(np.diff(first) >= size).tolist():
        keys = windows_of(tokens_of(data[start[text] : start[text + 1]]).hashes, size) | ONE
        keys = np.unique(keys)
        slot = np.minimum(np.searchsorted(table, keys), len(table) - 1)
        places = ids[slot[table[slot] == keys]]
        pieces = [rows[low[at] : low[at + 1]] for at in places.tolist()]
        if not pieces:
            continue
        distinct = len(keys) - sum(not len(piece) for piece in pieces)
        found, shared = np.unique(np.concatenate(pieces), return_counts=True)
        part = shared / np.minimum(distinct, sizes[found])
        enough = part >= threshold
        hit[found[enough]] = 1
        if enough.any():
            most = int(np.argmax(part))
            best[text], score[text] = found[most], part[most]
