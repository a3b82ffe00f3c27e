"""Which rows a kept row stands for: stars of verified pairs, never chains.

Rows that chains of pairs connect make a component (`links`). Two ends of a chain need have nothing
in common, so a component is taken apart: its best row is kept and stands for the rows that are
verified to be like it; of the rows that are left the best one is kept, and so on. Hence every row
that goes is at or above the threshold to the row that stays for it, and no two rows that stay
are, as far as they share a band (but for rows that stay in any case).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.prepare.fuzzy.engine import Engine
from runner.prepare.fuzzy.links import Links, among, connect
from runner.prepare.fuzzy.matches import Near, Shelf
from runner.prepare.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Scores = NDArray[np.float64]
    Stars = list[tuple[Rows, Rows, Scores]]
    """Parts of three parallel arrays: rows that stay, rows they stand for, similarities."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A row that is kept and the rows that nearly repeat it."""

    kept: int
    members: tuple[Near, ...]
    """In order, each with its similarity to the kept row, which is at or above the threshold."""


class DuplicateClusters:
    """Clusters in the order of their first rows. They are held as arrays, and objects are made as
    they are asked for: a million of them at once would keep the garbage collector busy longer
    than they took to find."""

    def __init__(self, kept: Rows, row: Rows, score: Scores) -> None:
        """Parallel arrays, one place a member: the row that is kept for it, itself, and how alike
        both are."""
        import numpy as np

        order = np.lexsort((row, kept))
        kept, row, score = kept[order], row[order], score[order]
        start = np.flatnonzero(np.append(True, kept[1:] != kept[:-1])[: len(kept)])
        first = np.minimum(kept[start], row[start])
        by_first = np.argsort(first)
        self._start = start[by_first]
        self._end = np.append(start[1:], len(kept))[: len(start)][by_first]
        self._kept, self._row, self._score = kept[self._start], row, score

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Cluster]:
        row, score = self._row.tolist(), self._score.tolist()
        places = (self._kept.tolist(), self._start.tolist(), self._end.tolist())
        for kept, low, high in zip(*places, strict=True):
            yield Cluster(kept, tuple(Near(row[at], kept, score[at]) for at in range(low, high)))


def clusters(
    texts: Texts,
    engine: Engine,
    merit: Scores | None = None,
    links: Links | None = None,
    stays: Mask | None = None,
    folder: Path | None = None,
) -> DuplicateClusters:
    """The rows that are kept and those they stand for. Rows are kept in the order of `merit` (one
    value a row, more is better), equal ones as they stand; rows that `stays` marks are first and
    are in no row's cluster. `links` are those of `connect`, where somebody else has found them."""
    import numpy as np

    links = links or connect(texts, engine)
    rows = _ranked(links, merit, stays)
    root = links.root[rows]
    head = np.append(True, root[1:] != root[:-1])[: len(rows)]
    best = rows[np.flatnonzero(head)][np.cumsum(head) - 1]
    open_ = ~head if stays is None else ~head & ~stays[rows]
    score = _scores(texts, engine, links, best[open_], rows[open_])
    good = score >= engine.plan.threshold
    found = [(best[open_][good], rows[open_][good], score[good])]
    head[np.flatnonzero(open_)[good]] = True  # decided, as the heads are
    if not head.all():
        found += _more(texts, engine, rows[~head], links, stays, folder)
    kept, row, score = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return DuplicateClusters(kept, row, score)


def _ranked(links: Links, merit: Scores | None, stays: Mask | None) -> Rows:
    """The rows of components of several rows, component by component, the best row first."""
    import numpy as np

    rows = np.flatnonzero(np.bincount(links.root, minlength=1)[links.root] > 1)
    worse = np.zeros(len(rows)) if merit is None else -merit[rows]
    later = np.zeros(len(rows), np.bool_) if stays is None else ~stays[rows]
    ranked: Rows = rows[np.lexsort((rows, worse, later, links.root[rows]))]
    return ranked


def _more(
    texts: Texts,
    engine: Engine,
    rows: Rows,
    links: Links,
    stays: Mask | None,
    folder: Path | None,
) -> Stars:
    """The stars among `rows`, which are ranked and are like no row that is kept so far.

    Components may be large here and fall into thousands of stars, so a row is held against those
    that share a band with it, not against all that are left.
    """
    import numpy as np

    mask = np.zeros(len(texts), np.bool_)
    mask[rows] = True
    signed = engine.band_keys(texts.where(mask, folder))
    keys = signed[:, np.cumsum(mask)[rows] - 1]
    found: Stars = []
    while len(rows):
        some, undecided = _until_half(texts, engine, rows, keys, links, stays)
        found += some
        rows, keys = rows[undecided], keys[:, undecided]
    return found


def _until_half(
    texts: Texts,
    engine: Engine,
    rows: Rows,
    keys: NDArray[np.uint64],
    links: Links,
    stays: Mask | None,
) -> tuple[Stars, Mask]:
    """Stars, one a component at a time, until half of the rows are decided: then a smaller shelf
    is worth its making. Also which rows are not decided yet."""
    import numpy as np

    shelf, root, undecided = Shelf(keys), links.root[rows], np.ones(len(rows), np.bool_)
    free = np.ones(len(rows), np.bool_) if stays is None else ~stays[rows]
    found: Stars = []
    while 2 * int(undecided.sum()) > len(rows):
        left = np.flatnonzero(undecided)
        best = left[np.append(True, root[left][1:] != root[left][:-1])]
        undecided[best] = False
        which, other = shelf.candidates(keys[:, best], None)
        fit = undecided[other] & free[other] & (root[best[which]] == root[other])
        kept, other = rows[best[which[fit]]], other[fit]
        score = engine.jaccard(texts, kept, texts, rows[other])
        good = score >= engine.plan.threshold
        undecided[other[good]] = False
        found.append((kept[good], rows[other[good]], score[good]))
    return found, undecided


def _scores(texts: Texts, engine: Engine, links: Links, left: Rows, right: Rows) -> Scores:
    """Similarity of pairs, from the links where they have it."""
    import numpy as np

    size = len(texts)
    known = np.minimum(links.left, links.right) * size + np.maximum(links.left, links.right)
    order = np.argsort(known)
    wanted = np.minimum(left, right) * size + np.maximum(left, right)
    score, fresh = np.empty(len(wanted)), ~among(wanted, known[order])
    at = np.searchsorted(known[order], wanted[~fresh])
    score[~fresh] = links.score[order][at]
    score[fresh] = engine.jaccard(texts, left[fresh], texts, right[fresh])
    return score
