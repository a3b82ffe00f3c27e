"""Which texts hold what a corpus holds: shared n-grams of tokens, by hash.

The corpus (evaluation rows, the smaller side) is indexed once; texts stream past it, and a bitmap
turns away nearly every n-gram that the corpus lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.prepare.substring import Tokens
from runner.prepare.substring.repeats import all_keys
from runner.prepare.substring.tokens import gram_kernels, kernels

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
    table: NDArray[np.uint64]
    low: NDArray[np.int64]
    """Per slot of the table where its rows begin in `rows`."""
    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    """Distinct n-grams of every row, templates left out."""


def index_ngrams(corpus: Tokens, size: int) -> NgramIndex:
    """Index the n-grams of `size` tokens; 16 bytes for each and row that holds it."""
    import numpy as np

    keys = all_keys(corpus, size)
    rows = np.repeat(np.arange(len(corpus.texts)), np.diff(corpus.windows(size)))
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    new = np.ones(len(keys), np.bool_)
    new[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    keys, rows = keys[new], rows[new]
    distinct, holders = np.unique(keys, return_counts=True)
    rows = rows[np.repeat(holders <= COMMON, holders)]
    table = kernels().open_table(distinct)
    slot = np.empty(len(distinct), np.int64)
    kernels().slots(table, distinct, slot)
    # Rows are in the order of their n-grams' hashes; the table wants them in the order of slots.
    in_slot = np.zeros(len(table), np.int64)
    in_slot[slot] = np.where(holders <= COMMON, holders, 0)
    low = np.concatenate(([0], np.cumsum(in_slot)))
    counts = in_slot[slot]
    begins = np.cumsum(counts) - counts
    placed = np.empty_like(rows)
    placed[np.arange(len(rows)) + np.repeat(low[slot] - begins, counts)] = rows
    return NgramIndex(size, table, low, placed, np.bincount(rows, minlength=len(corpus.texts)))


def contained(texts: Tokens, index: NgramIndex, threshold: float) -> Contained:
    """For every text, the row of the corpus with which it shares at least `threshold` of the
    distinct n-grams of the smaller of both; with 0, at least one n-gram."""
    import numpy as np

    count = len(texts.texts)
    found = Contained(np.full(count, -1), np.zeros(count), np.zeros(len(index.sizes), np.bool_))
    if len(index.rows):
        gram_kernels().contain(
            texts.texts.data, texts.texts.start, texts.first, index.size, index.table, index.low,
            index.rows, index.sizes, threshold, found.best, found.score, found.hit.view(np.uint8),
        )  # fmt: skip
    return found
