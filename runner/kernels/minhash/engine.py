"""The kernels on several threads. Results do not depend on how many."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from runner.kernels.minhash.plan import Plan
from runner.kernels.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

Item = TypeVar("Item")
Out = TypeVar("Out")

TASK_BYTES = 1 << 20
"""Text of one task: enough to forget its cost, little enough for every thread to have some."""
TASK_ROWS = 2048
TASK_PAIRS = 512
"""Pairs of one task at most; fewer are shared out evenly, down to `FEW_PAIRS` each."""
FEW_PAIRS = 16
MOST_COUNTERS = 1 << 20
"""Counters of shingles, 4 bytes each; shingles that share one only look more frequent."""


class Engine:
    """Kernels for one plan.

    Args:
        plan: what to compute.
        threads: at most so many; the processor's, when None.
    """

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan = plan
        self._threads = threads or len(os.sched_getaffinity(0))

    def band_keys(self, texts: Texts) -> NDArray[np.uint64]:
        """The band keys of all rows: a line a band, a column a row, 8 bytes each."""
        import numpy as np

        keys = np.empty((self.plan.bands, len(texts)), np.uint64)

        def fill(task: tuple[int, int]) -> None:
            low, high = task
            self._kernels.band(self.signatures(texts, low, high), self.plan.rows, low, keys)

        self.each(fill, _tasks(texts))
        return keys

    def signatures(self, texts: Texts, low: int, high: int) -> NDArray[np.uint32]:
        """MinHash values of some rows, equal to datasketch's (scheme affine32) over the same
        32-bit shingle hashes."""
        import numpy as np

        plan = self.plan
        values = np.empty((high - low, len(plan.multiply)), np.uint32)
        self._kernels.sign(
            texts.data, texts.start, low, high, plan.unit, self._sizes,
            plan.multiply, plan.add, values,
        )  # fmt: skip
        return values

    def rivals(self, band: NDArray[np.uint64]) -> Rows:
        """Rows, in order, among which are all whose key another row of the band has."""
        found: Rows = self._kernels.rivals(band)
        return found

    def jaccard(self, texts: Texts, left: Rows, others: Texts, right: Rows) -> NDArray[np.float64]:
        """True Jaccard similarity of the shingles of pairs of rows."""
        import numpy as np

        out = np.empty(len(left))
        share = -(-len(left) // self._threads)
        step = max(FEW_PAIRS, min(TASK_PAIRS, share))

        def fill(low: int) -> None:
            high = low + step
            self._kernels.jaccard(
                texts.data, texts.start, left[low:high], others.data, others.start,
                right[low:high], self.plan.unit, self._sizes, out[low:high],
            )  # fmt: skip

        self.each(fill, range(0, len(left), step))
        return out

    def rarest(self, texts: Texts, rows: Rows) -> tuple[Rows, NDArray[np.uint64], Rows]:
        """The rarest distinct shingles of each row (see `prefix`), end to end; how many
        they are, and how many shingles the row has."""
        import numpy as np

        plan, size = self.plan, 1 << 16
        while size < min(int(np.diff(texts.start)[rows].sum()), MOST_COUNTERS):
            size *= 2
        table, counts = np.zeros(size, np.uint32), np.empty(len(rows), np.int64)
        given = (texts.data, texts.start, rows, plan.unit, self._sizes, table)
        self._kernels.count_shingles(*given, counts)
        tokens = np.empty(int(prefix(counts, plan.threshold).sum()), np.uint64)
        distinct, used = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        length = self._kernels.rarest(*given, plan.threshold, tokens, used, distinct)
        return used, tokens[:length], distinct

    def unite(self, parent: Rows, left: Rows, right: Rows) -> None:
        """Join trees of rows (union-find); the smallest row is the root."""
        self._kernels.unite(parent, left, right)

    def roots(self, parent: Rows, rows: Rows) -> Rows:
        """The root of each row's tree."""
        import numpy as np

        out = np.empty(len(rows), np.int64)
        self._kernels.roots(parent, rows, out)
        return out

    @cached_property
    def _kernels(self) -> Any:
        """Loaded when first needed: numba takes half a second."""
        from runner.kernels.minhash import kernels

        return kernels

    @cached_property
    def _sizes(self) -> Rows:
        import numpy as np

        return np.array([self.plan.ngram, self.plan.char_ngram], np.int64)

    def each(self, work: Callable[[Item], Out], items: Iterable[Item]) -> list[Out]:
        """The work's results in the order of the items, made on the threads there are."""
        if self._threads == 1:
            return list(map(work, items))
        return list(self._pool.map(work, items))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Its threads end with the engine."""
        return ThreadPoolExecutor(self._threads)


def prefix(sizes: Rows, share: float) -> Rows:
    """Of so many elements in order, how many come first so that a set which holds at least this
    share of all holds one of these. Rounding errs on the safe side."""
    import numpy as np

    first: Rows = sizes - np.ceil(share * sizes - 1e-6).astype(np.int64) + 1
    return first


def _tasks(texts: Texts) -> Iterator[tuple[int, int]]:
    import numpy as np

    low = 0
    while low < len(texts):
        high = int(np.searchsorted(texts.start, texts.start[low] + TASK_BYTES, "right")) - 1
        high = min(max(high, low + 1), low + TASK_ROWS, len(texts))
        yield low, high
        low = high
