"""Which texts hold what a corpus holds: shared n-grams of tokens, by hash.

The corpus (evaluation rows, the smaller side) is indexed once; texts stream past it, and a bitmap
turns away nearly every n-gram that the corpus lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.kernels.substring import CountedTokens
from runner.kernels.substring.repeats import all_keys
from runner.kernels.substring.tokens import text_kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMMON = 100
"""N-grams that more rows of the corpus hold are a template's: they count on neither side."""


@dataclass(frozen=True, slots=True)
class Contained:
    """What was found for every text."""

    best: NDArray[np.int64]
    """The row of the corpus that shares most with it (the first of equals); -1 for none."""
    score: NDArray[np.float64]
    """Shared distinct n-grams over those of the smaller of both; 0 for none."""
    hit: NDArray[np.bool_]
    """Rows of the corpus that any text shares enough with."""


@dataclass(frozen=True, slots=True)
class NgramIndex:
    """The distinct n-grams of a corpus."""

    size: int
    keys: NDArray[np.uint64]
    """Their hashes, in the order in which they first stand in the corpus."""
    table: NDArray[np.uint64]
    """The same as an open table."""
    ids: NDArray[np.int32]
    """Per slot of the table its hash's place in `keys`."""
    sieve: NDArray[np.uint64]
    """Turns away most hashes that are not in the table."""
    low: NDArray[np.int32]
    """Per place in `keys`, where its rows begin in `rows`."""
    rows: NDArray[np.int32]
    sizes: NDArray[np.int64]
    """Distinct n-grams of every row, templates left out."""


def index_ngrams(corpus: CountedTokens, size: int) -> NgramIndex:
    """Index the n-grams of `size` tokens; some 60 bytes for each and 4 for each row with it
    (so 32 bits count all that fit into memory)."""
    import numpy as np

    keys = all_keys(corpus, size)
    rows = np.repeat(np.arange(len(corpus.texts)), np.diff(corpus.windows(size)))
    distinct, begins, which = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(begins)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    pairs = np.unique(place[which] * max(len(corpus.texts), 1) + rows)
    ids, rows = np.divmod(pairs, max(len(corpus.texts), 1))
    holders = np.bincount(ids, minlength=len(order))
    rows, holders = rows[holders[ids] <= COMMON], np.where(holders <= COMMON, holders, 0)
    keys, kernel = distinct[order], text_kernels()
    table, slot = kernel.open_table(keys), np.empty(len(keys), np.int64)
    kernel.slots(table, keys, slot)
    ids = np.zeros(len(table), np.int32)
    ids[slot] = np.arange(len(keys))
    low = np.concatenate(([0], np.cumsum(holders))).astype(np.int32)
    sizes = np.bincount(rows, minlength=len(corpus.texts))
    return NgramIndex(
        size, keys, table, ids, kernel.sieve(table), low, rows.astype(np.int32), sizes
    )


def contained(texts: CountedTokens, index: NgramIndex, threshold: float) -> Contained:
    """For every text, the row of the corpus with which it shares at least `threshold` of the
    distinct n-grams of the smaller of both; with 0, at least one n-gram."""
    import numpy as np

    count = len(texts.texts)
    found = Contained(np.full(count, -1), np.zeros(count), np.zeros(len(index.sizes), np.bool_))
    if len(index.rows):
        text_kernels().contain(
            texts.texts.data, texts.texts.start, texts.first, index.size, index.keys, index.table,
            index.ids, index.sieve, index.low, index.rows, index.sizes, threshold,
            found.best, found.score, found.hit.view(np.uint8),
        )  # fmt: skip
    return found
