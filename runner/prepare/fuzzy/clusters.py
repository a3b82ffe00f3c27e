"""Rows that nearly repeat each other: connected components of the verified pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.prepare.fuzzy.engine import Engine
from runner.prepare.fuzzy.links import Links, among, connect
from runner.prepare.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Near:
    """A row and the one it nearly repeats; positions in the sequences given."""

    row: int
    matched: int
    score: float
    """Jaccard similarity of the two sets of shingles."""
    through: tuple[int, float] | None = None
    """For a row below the threshold that a chain of pairs connects: the next row of the chain and
    its similarity."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Rows that nearly repeat each other, of which one is kept."""

    kept: int
    members: tuple[Near, ...]
    """All others, in order, each matched with the kept one."""


class DuplicateClusters:
    """Clusters in the order of their first rows. They are held as arrays, and objects are made as
    they are asked for: a million of them at once would keep the garbage collector busy longer
    than they took to find."""

    def __init__(
        self,
        kept: Rows,
        start: Rows,
        row: Rows,
        score: NDArray[np.float64],
        through: dict[int, tuple[int, float]],
    ) -> None:
        """`kept` has a row a cluster; `row` and `score` have a place a member, those of cluster n
        from `start[n]` to `start[n + 1]`; `through` has the members that a chain connects."""
        self._kept, self._start = kept, start
        self._row, self._score, self._through = row, score, through

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Cluster]:
        row, score, low = self._row.tolist(), self._score.tolist(), 0
        for kept, high in zip(self._kept.tolist(), self._start[1:].tolist(), strict=True):
            yield Cluster(
                kept,
                tuple(
                    Near(row[at], kept, score[at], self._through.get(row[at]))
                    for at in range(low, high)
                ),
            )
            low = high


def clusters(
    texts: Texts,
    engine: Engine,
    merit: NDArray[np.float64] | None = None,
    links: Links | None = None,
) -> DuplicateClusters:
    """The clusters of several rows, by their first row. The row of most `merit` (one value a row)
    represents its cluster, the first of equals; without it the first row does. `links` are those
    of `connect`, where somebody else has found them."""
    import numpy as np

    links = links or connect(texts, engine)
    rows = np.flatnonzero(np.bincount(links.root, minlength=len(texts))[links.root] > 1)
    rows = rows[np.argsort(links.root[rows], kind="stable")]
    root = links.root[rows]
    head = np.append(True, root[1:] != root[:-1])[: len(rows)]
    start = np.flatnonzero(head)
    best = rows if merit is None else rows[np.lexsort((rows, -merit[rows], root))]
    kept = best[start]
    matched = kept[np.cumsum(head) - 1]
    member = rows != matched
    others, matched = rows[member], matched[member]
    score = _scores(texts, engine, links, matched, others)
    through = _nearest(links, others[score < engine.plan.threshold])
    ends = np.append(start, len(rows)) - np.arange(len(start) + 1)  # without the kept ones
    return DuplicateClusters(kept, ends, others, score, through)


def _scores(
    texts: Texts, engine: Engine, links: Links, left: Rows, right: Rows
) -> NDArray[np.float64]:
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


def _nearest(links: Links, rows: Rows) -> dict[int, tuple[int, float]]:
    """For each of some rows, the most similar one it was verified with; the first of equals."""
    import numpy as np

    best: dict[int, tuple[int, float]] = {}
    for ends, others in ((links.left, links.right), (links.right, links.left)):
        here = np.isin(ends, rows)
        columns = (part[here].tolist() for part in (ends, others, links.score))
        for row, other, score in zip(*columns, strict=True):
            known = best.get(row)
            if known is None or (score, -other) > (known[1], -known[0]):
                best[row] = (other, score)
    return best
