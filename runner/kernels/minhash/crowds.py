"""Rows that share most of their shingles with thousands of others, and with none of them enough.

Rows of one template stand in one bucket after the other without being near-duplicates, and to
compare each with all its neighbours there takes minutes. What tells such rows apart is rare. Two
sets of a and b elements, a <= b, whose Jaccard similarity is t share at least t / (1 + t) (a + b),
so with all elements in one order, the rarest first, they share one of the first
a - 2 t / (1 + t) a + 1 of the smaller set and the first b - t b + 1 of the larger one (prefix
filtering: Chaudhuri, Ganti, Kaushik 2006; Xiao, Wang, Lin, Yu 2008). An index of those proposes all
pairs that can pass, and hardly any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.kernels.minhash.engine import Engine, prefix
from runner.kernels.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Hashes = NDArray[np.uint64]
    Band = tuple[Hashes, Rows]

OFTEN = 2
"""Comparisons a row in vain, from which on an index of rare shingles is worth its making."""
WORK = 32
"""Pairs a row that the index may propose; with more of them there is nothing rare about the rows,
and their neighbours in the buckets are fewer."""
BLOCK = 1 << 22
"""Pairs of one block at most, but for those of a single shingle."""


def crowd_of(bands: Sequence[Band]) -> Rows:
    """The rows that share a bucket with others, in order."""
    import numpy as np

    rows = [rows for _, rows in bands]
    return np.unique(np.concatenate(rows)) if rows else np.empty(0, np.int64)


def rare_pairs(texts: Texts, engine: Engine, rows: Rows) -> Iterator[tuple[Rows, Rows]] | None:
    """Pairs of `rows` (sorted), each once or more often, among which are all at or above the
    threshold; None where these would be too many."""
    import numpy as np

    used, tokens, distinct = engine.rarest(texts, rows)
    # Numbers by size: of two rows the one of the smaller number is the smaller one.
    by_size = np.argsort(distinct, kind="stable")
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(rows))
    owner = np.repeat(np.arange(len(rows)), used)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(used) - used, used)
    threshold = engine.plan.threshold
    indexed = place < prefix(distinct, 2 * threshold / (1 + threshold))[owner]
    order = np.argsort(tokens[indexed], kind="stable")
    shelf, held = tokens[indexed][order], owner[indexed][order]
    low = np.searchsorted(shelf, tokens, "left")
    count = np.searchsorted(shelf, tokens, "right") - low
    if count.sum() > WORK * len(rows):
        return None

    def pairs() -> Iterator[tuple[Rows, Rows]]:
        done = np.cumsum(count)
        cuts = np.searchsorted(done, np.arange(BLOCK, done[-1] + BLOCK, BLOCK), "right")
        for begin, end in zip([0, *cuts[:-1].tolist()], cuts.tolist(), strict=True):
            many = count[begin:end]
            asks = np.repeat(owner[begin:end], many)
            nth = np.arange(len(asks)) - np.repeat(np.cumsum(many) - many, many)
            other = held[np.repeat(low[begin:end], many) + nth]
            # The smaller set is the one that is indexed; sets of too unequal sizes cannot pass.
            fit = rank[other] < rank[asks]
            fit &= distinct[other] >= threshold * distinct[asks] - 1e-6
            yield rows[asks[fit]], rows[other[fit]]

    return pairs()


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Which rows stand near each other in a bucket of some band."""

    keys: Hashes
    """A line a band, a column a row."""
    places: Sequence[Rows]
    """Per band, where each row stands among those that share a bucket."""

    @classmethod
    def of(cls, keys: Hashes, bands: Sequence[Band]) -> Neighbourhood:
        import numpy as np

        places = []
        for _, rows in bands:
            place = np.full(keys.shape[1], -1, np.int64)
            place[rows] = np.arange(len(rows))
            places.append(place)
        return cls(keys, places)

    def near(self, left: Rows, right: Rows, most: int) -> NDArray[np.bool_]:
        """Which pairs stand in one bucket with fewer than `most` rows between them."""
        import numpy as np

        found = np.zeros(len(left), np.bool_)
        for keys, place in zip(self.keys, self.places, strict=True):
            same = (keys[left] == keys[right]) & (place[left] >= 0)
            found |= same & (np.abs(place[left] - place[right]) <= most)
        return found


class Refused:
    """Pairs that were found too different, as sorted arrays, each less than half as long as the
    one before: to add some does not sort all of them anew."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self.size = 0

    def add(self, pairs: Rows) -> None:
        """Take pairs in that are sorted."""
        import numpy as np

        self.size += len(pairs)
        while self._parts and 2 * len(pairs) > len(self._parts[-1]):
            # A stable sort finds the two runs and merges them.
            pairs = np.sort(np.concatenate((self._parts.pop(), pairs)), kind="stable")
        if len(pairs):
            self._parts.append(pairs)

    def holds(self, pairs: Rows) -> NDArray[np.bool_]:
        """Which of the pairs are among them."""
        import numpy as np

        found = np.zeros(len(pairs), np.bool_)
        for part in self._parts:
            found |= among(pairs, part)
        return found


def among(pairs: Rows, known: Rows) -> NDArray[np.bool_]:
    """Which of the pairs stand in a sorted array."""
    import numpy as np

    if not len(known):
        return np.zeros(len(pairs), np.bool_)
    at = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == pairs
    return found
