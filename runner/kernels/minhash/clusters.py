"""Which rows a kept row stands for: stars of verified pairs, never chains.

Rows that chains of pairs connect make a component (`links`). Two ends of a chain need have nothing
in common, so a component is taken apart: its best row is kept and stands for the rows that are
verified to be like it; of the rows that are left the best one is kept, and so on. Hence every row
that goes is at or above the threshold to the row that stays for it, and no two rows that stay
are, as far as they share a band (but for rows that stay in any case).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.kernels.minhash.crowds import (
    OFTEN,
    Neighbourhood,
    Refused,
    among,
    crowd_of,
    rare_pairs,
)
from runner.kernels.minhash.engine import Engine
from runner.kernels.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Hashes = NDArray[np.uint64]
    Band = tuple[Hashes, Rows]
    Mask = NDArray[np.bool_]
    Scores = NDArray[np.float64]
    Stars = list[tuple[Rows, Rows, Scores]]
    """Parts of three parallel arrays: rows that stay, rows they stand for, similarities."""

# Pairs of rows that nearly repeat each other: proposed by equal bands, verified, and no more of
# them than connect the rows.

NEIGHBOURS = 64
"""Rows of one bucket are compared with so many rows behind them, unless they are connected by
then; a bucket of thousands of dissimilar rows would be millions of pairs."""


@dataclass(frozen=True, slots=True)
class VerifiedPairs:
    """Pairs of rows at or above the threshold that connect the clusters: a spanning forest and
    what was found beside it. Arrays are parallel."""

    left: Rows
    right: Rows
    score: NDArray[np.float64]
    root: Rows
    """Per row of the texts, the smallest row of its cluster; itself for a row alone."""


def connect(texts: Texts, engine: Engine) -> VerifiedPairs:
    """Sign, propose and verify until every proposed pair is connected or found too different.

    The components are those of all verified pairs, in whatever order they come.
    """
    import numpy as np

    with texts.scattered():
        search = _Search(texts, engine)
        search.run()
    size = len(texts)
    root = engine.roots(search.parent, np.arange(size))
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    ends = [np.concatenate(parts) for parts in zip(nothing, *search.kept, strict=True)]
    return VerifiedPairs(ends[0], ends[1], ends[2], root)


class _Search:
    """The rows that are connected so far, and the pairs that do it."""

    def __init__(self, texts: Texts, engine: Engine) -> None:
        import numpy as np

        self.texts, self.engine = texts, engine
        self.parent: Rows = np.arange(len(texts))
        self.kept: list[tuple[Rows, Rows, Scores]] = []
        self.refused = Refused()
        self.keys = engine.band_keys(texts)

    def run(self) -> None:
        """Compare neighbours in the buckets; once most of that was in vain, only rows that share
        something rare."""

        def shared(band: Hashes) -> Band:
            return crowded(band, self.engine.rivals(band))

        bands = self.engine.each(shared, self.keys)
        size, crowd, tried = len(self.texts), crowd_of(bands), False
        for some in _rounds(bands):
            for pairs in _proposals(some, size):
                self.verify(pairs)
                if not tried and self.refused.size > OFTEN * len(crowd):
                    tried = True
                    if self.by_rare_shingles(crowd, bands):
                        return

    def verify(self, pairs: Rows) -> None:
        """Compare what is neither connected nor refused yet, and connect what is alike."""
        import numpy as np

        size = len(self.texts)
        left, right = np.divmod(pairs, size)
        apart = self.engine.roots(self.parent, left) != self.engine.roots(self.parent, right)
        fresh = apart & ~self.refused.holds(pairs)
        left, right = left[fresh], right[fresh]
        score = self.engine.jaccard(self.texts, left, self.texts, right)
        good = score >= self.engine.plan.threshold
        self.refused.add(pairs[fresh][~good])
        self.kept.append((left[good], right[good], score[good]))
        self.engine.unite(self.parent, left[good], right[good])

    def by_rare_shingles(self, crowd: Rows, bands: Sequence[Band]) -> bool:
        """Verify all pairs at or above the threshold that are neighbours in a bucket, at once.
        False where there is nothing rare about the rows, and nothing was done."""
        import numpy as np

        found = rare_pairs(self.texts, self.engine, crowd)
        if found is None:
            return False
        size, around = len(self.texts), Neighbourhood.of(self.keys, bands)
        for left, right in found:
            pairs = np.unique(np.minimum(left, right) * size + np.maximum(left, right))
            self.verify(pairs[around.near(*np.divmod(pairs, size), NEIGHBOURS)])
        return True


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
    # Number of the key times the number of rows, plus the row: one sort of whole numbers orders by
    # key first and row second, and taking the first part away gives the rows back.
    before = np.cumsum(np.append(False, keys[1:] != keys[:-1])[: len(keys)]) * len(band)
    return keys, np.sort(before + rows) - before


# Rows of one side that nearly repeat a row of the other, each with the most similar one.


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A row and the one it nearly repeats; positions in the sequences given."""

    row: int
    matched: int
    score: float
    """Jaccard similarity of the two sets of shingles."""


class BandIndex:
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
            # 0, 1, ... count - 1 for each row that asks: the running number less where its own
            # began.
            place = np.arange(len(asks)) - np.repeat(np.cumsum(count) - count, count)
            found.append(asks * total + order[np.repeat(low, count) + place])
        pairs = np.unique(np.concatenate(found))
        return pairs // total, pairs % total


def best(
    left: Rows, right: Rows, score: NDArray[np.float64], threshold: float
) -> list[NearDuplicate]:
    """Per left row the most similar right row at or above the threshold, the first of equals."""
    import numpy as np

    good = score >= threshold
    left, right, score = left[good], right[good], score[good]
    order = np.lexsort((right, -score, left))
    left, right, score = left[order], right[order], score[order]
    first = np.append(True, left[1:] != left[:-1])[: len(left)]
    columns = (part[first].tolist() for part in (left, right, score))
    return [NearDuplicate(*hit) for hit in zip(*columns, strict=True)]


def matches(texts: Texts, corpus: Texts, shelf: BandIndex, engine: Engine) -> list[NearDuplicate]:
    """Rows of `texts` with a near-duplicate in `corpus`, whose band keys are on the shelf."""
    left, right = shelf.candidates(engine.band_keys(texts))
    return best(left, right, engine.jaccard(texts, left, corpus, right), engine.plan.threshold)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A row that is kept and the rows that nearly repeat it."""

    kept: int
    members: tuple[NearDuplicate, ...]
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
            yield Cluster(
                kept, tuple(NearDuplicate(row[at], kept, score[at]) for at in range(low, high))
            )


def clusters(
    texts: Texts,
    engine: Engine,
    priority: Scores | None = None,
    links: VerifiedPairs | None = None,
    stays: Mask | None = None,
    folder: Path | None = None,
) -> DuplicateClusters:
    """The rows that are kept and those they stand for. They are kept in the order of `priority` (a
    value a row, more is better), equal ones as they stand; rows that `stays` marks are first and
    are in no row's cluster. `links` are those of `connect`, where somebody else has found them."""
    import numpy as np

    links = links or connect(texts, engine)
    rows = _ranked(links, priority, stays)
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


def _ranked(links: VerifiedPairs, priority: Scores | None, stays: Mask | None) -> Rows:
    """The rows of components of several rows, component by component, the best row first."""
    import numpy as np

    rows = np.flatnonzero(np.bincount(links.root, minlength=1)[links.root] > 1)
    worse = np.zeros(len(rows)) if priority is None else -priority[rows]
    later = np.zeros(len(rows), np.bool_) if stays is None else ~stays[rows]
    ranked: Rows = rows[np.lexsort((rows, worse, later, links.root[rows]))]
    return ranked


def _more(
    texts: Texts,
    engine: Engine,
    rows: Rows,
    links: VerifiedPairs,
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
    links: VerifiedPairs,
    stays: Mask | None,
) -> tuple[Stars, Mask]:
    """Stars, one a component at a time, until half of the rows are decided: then a smaller shelf
    is worth its making. Also which rows are not decided yet."""
    import numpy as np

    shelf, root, undecided = BandIndex(keys), links.root[rows], np.ones(len(rows), np.bool_)
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


def _scores(texts: Texts, engine: Engine, links: VerifiedPairs, left: Rows, right: Rows) -> Scores:
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
