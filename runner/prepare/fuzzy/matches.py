"""Rows of one side that nearly repeat a row of the other, each with the most similar one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.prepare.fuzzy.engine import Engine
from runner.prepare.fuzzy.links import NEIGHBOURS
from runner.prepare.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Near:
    """A row and the one it nearly repeats; positions in the sequences given."""

    row: int
    matched: int
    score: float
    """Jaccard similarity of the two sets of shingles."""


class Shelf:
    """A corpus by its band keys (16 bytes a key): which of its rows share a band with others."""

    def __init__(self, keys: Hashes) -> None:
        import numpy as np

        self._order = [np.argsort(band, kind="stable") for band in keys]
        self._keys = [band[order] for band, order in zip(keys, self._order, strict=True)]

    def candidates(self, keys: Hashes, most: int | None = NEIGHBOURS) -> tuple[Rows, Rows]:
        """Distinct pairs (row that asks, row of the corpus), sorted. Of the rows of the corpus
        in one bucket the first `most` are proposed, all with None."""
        import numpy as np

        total = max(1, len(self._order[0]))
        found = [np.empty(0, np.int64)]
        for mine, order, theirs in zip(keys, self._order, self._keys, strict=True):
            low = np.searchsorted(theirs, mine, "left")
            count = np.searchsorted(theirs, mine, "right") - low
            count = count if most is None else np.minimum(count, most)
            asks = np.repeat(np.arange(len(mine)), count)
            place = np.arange(len(asks)) - np.repeat(np.cumsum(count) - count, count)
            found.append(asks * total + order[np.repeat(low, count) + place])
        pairs = np.unique(np.concatenate(found))
        return pairs // total, pairs % total


def best(left: Rows, right: Rows, score: NDArray[np.float64], threshold: float) -> list[Near]:
    """Per left row the most similar right row at or above the threshold, the first of equals."""
    import numpy as np

    good = score >= threshold
    left, right, score = left[good], right[good], score[good]
    order = np.lexsort((right, -score, left))
    left, right, score = left[order], right[order], score[order]
    first = np.append(True, left[1:] != left[:-1])[: len(left)]
    columns = (part[first].tolist() for part in (left, right, score))
    return [Near(*hit) for hit in zip(*columns, strict=True)]


def matches(texts: Texts, corpus: Texts, shelf: Shelf, engine: Engine) -> list[Near]:
    """Rows of `texts` with a near-duplicate in `corpus`, whose band keys are on the shelf."""
    left, right = shelf.candidates(engine.band_keys(texts))
    return best(left, right, engine.jaccard(texts, left, corpus, right), engine.plan.threshold)
