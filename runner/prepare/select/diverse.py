"""Rows by similarity: clusters, a cap on each, and how diverse the whole is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

from runner.config.select import Diverse
from runner.prepare.drop_log import input_excerpt
from runner.records import Row
from runner.records.clusters import MapPoint, SimilarityMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.encoders.lexical import Vectors

    Order = NDArray[np.int64]

ROUNDS = 25
SPREAD = 1000
"""Rows of a cluster that are ordered by how little they are alike; who takes more of a cluster
than that takes nearly all there is of it."""


@dataclass(frozen=True, slots=True)
class SimilarityClusters:
    """Clusters of all rows, numbered from the largest."""

    of_row: NDArray[np.int64]
    similarity: NDArray[np.float32]
    """Cosine of each row to its cluster's centre."""
    vectors: Vectors
    place: Order
    """Place of each row in an order of its cluster whose first rows are little alike."""

    def vendi(self, rows: NDArray[np.bool_]) -> float:
        """The Vendi score of the rows (Friedman, Dieng 2022): how many rows that have nothing in
        common would be as diverse. Between 1 and the number of rows or dimensions."""
        return vendi(self.vectors[rows])


def cluster(
    vectors: Vectors, diverse: Diverse, seed: int, order: Order, choice: Selection
) -> SimilarityClusters:
    """Cluster the rows, and drop those beyond the cap of their cluster. Of each cluster the row
    that `order` has first is the first to stay."""
    import numpy as np

    count = diverse.clusters or max(2, int(np.sqrt(len(vectors) / 2)))
    centres, of_row = spherical_kmeans(vectors, min(count, len(vectors)), seed)
    by_size = np.argsort(-np.bincount(of_row, minlength=len(centres)), kind="stable")
    number = np.empty(len(centres), np.int64)
    number[by_size] = np.arange(len(centres))
    similarity = (vectors * centres[of_row]).sum(axis=1)
    place = _places(of_row, vectors, order, choice)
    found = SimilarityClusters(number[of_row], similarity, vectors, place)
    for row, kept, score in _beyond(found, diverse.max_per_cluster, choice):
        choice.reasons[row] = UnusedReason("cluster_cap", "cluster", score, kept)
    return found


def spread_first(vectors: Vectors, most: int) -> NDArray[np.int64]:
    """The first rows of an order in which each is the one least like all before it, beginning
    with the first: greedy k-center (Gonzalez 1985; for training sets: Sener, Savarese 2018). At
    most `most` of them."""
    import numpy as np

    order = np.zeros(min(most, len(vectors)), np.int64)
    alike = np.full(len(vectors), -np.inf, np.float32)
    for at in range(1, len(order)):
        alike = np.maximum(alike, vectors @ vectors[order[at - 1]])
        alike[order[:at]] = np.inf
        order[at] = alike.argmin()
    return order


def _places(of_row: Order, vectors: Vectors, order: Order, choice: Selection) -> Order:
    """See `SimilarityClusters.place`; `SPREAD` for rows behind the first and for dropped ones."""
    import numpy as np

    place = np.full(len(of_row), SPREAD, np.int64)
    rows = order[~np.isin(order, list(choice.reasons))]
    rows = rows[np.argsort(of_row[rows], kind="stable")]
    for group in np.split(rows, np.flatnonzero(np.diff(of_row[rows])) + 1):
        first = spread_first(vectors[group], SPREAD)
        place[group[first]] = np.arange(len(first))
    return place


def _beyond(
    clusters: SimilarityClusters, cap: int | None, choice: Selection
) -> list[tuple[int, int, float | None]]:
    """Rows too many for their cluster, each with the most similar row that stays. Those that stay
    are little alike."""
    import numpy as np

    if cap is None:
        return []
    beyond: list[tuple[int, int, float | None]] = []
    kept: dict[int, list[int]] = {}
    for row in np.argsort(clusters.place, kind="stable").tolist():
        if row in choice.reasons:
            continue
        mine = kept.setdefault(int(clusters.of_row[row]), [])
        if len(mine) < cap:
            mine.append(row)
        else:
            alike = clusters.vectors[mine] @ clusters.vectors[row]
            best = int(alike.argmax())
            beyond.append((row, mine[best], round(float(alike[best]), 4)))
    return beyond


def spherical_kmeans(vectors: Vectors, count: int, seed: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Centres of length one and each row's cluster, by k-means on cosines (Dhillon, Modha 2001)
    from k-means++ seeds (Arthur, Vassilvitskii 2007). The same for the same rows and seed.

    scikit-learn's `KMeans` does not keep its centres at length one; only its seeds are taken,
    whose squared distance between unit vectors is twice one less their cosine.
    """
    from sklearn.cluster import kmeans_plusplus

    # Each seed is the best of several draws; one draw alone often leaves two clusters in one.
    seeds, _ = kmeans_plusplus(vectors, count, random_state=seed)
    return _converged(vectors, seeds)


def _converged(vectors: Vectors, centres: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
    """Centres and clusters, from the centres to begin with."""
    import numpy as np
    from scipy.sparse import csr_array

    rows = np.arange(len(vectors))
    of_row = np.full(len(vectors), -1, np.int64)
    for _ in range(ROUNDS):
        similar = vectors @ centres.T
        nearest = similar.argmax(axis=1)
        if (nearest == of_row).all():
            break
        of_row = nearest
        member = csr_array(
            (np.ones(len(rows), np.float32), (of_row, rows)), shape=(len(centres), len(rows))
        )
        sums = member @ vectors
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.where(length > 0, length, 1), centres)
    return centres, of_row


def vendi(vectors: Vectors) -> float:
    """Exponential of the entropy of the eigenvalues of the similarity matrix over its size; its
    eigenvalues are those of the much smaller matrix of dimensions. nan without rows."""
    import numpy as np

    if not len(vectors):
        return float("nan")
    wide = vectors.astype(np.float64)
    share = np.linalg.eigvalsh(wide.T @ wide / len(wide))
    share = share[share > 1e-12] / share.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


# What a selection came to: the rows that are used, and why each other one is not.


@dataclass(frozen=True, slots=True)
class UnusedReason:
    """Why a row is not used; `matched` is the row it was held against."""

    reason: str
    method: str = ""
    score: float | None = None
    matched: int = -1


@dataclass(slots=True)
class Selection:
    """What was chosen of `rows` rows."""

    chosen: NDArray[np.bool_]
    reasons: dict[int, UnusedReason] = field(default_factory=dict)
    """Of rows that a rule dropped; all others that are not chosen were simply not drawn."""
    notes: list[str] = field(default_factory=list)
    clusters: SimilarityClusters | None = None
    matched: dict[int, Row] = field(default_factory=dict)
    """The rows that `reasons` point at."""

    def reason(self, row: int) -> UnusedReason:
        return self.reasons.get(row, UnusedReason("not_selected"))


# The rows as points on a plane, for people: near each other where their texts are alike.

MOST = 1500
"""Points drawn; a seeded sample of the rows where there are more."""
TEXT = 160
PERPLEXITY = 30.0


def drawn(rows: Iterable[Row], choice: Selection, seed: int) -> SimilarityMap:
    """The map: points with their cluster, text and answer, and how diverse the rows are
    before and after the selection (see `SimilarityClusters.vendi`)."""
    import numpy as np

    clusters = choice.clusters
    assert clusters
    total = len(clusters.of_row)
    marks = np.zeros(total, np.bool_)
    marks[np.random.default_rng(seed).permutation(total)[:MOST]] = True
    places = _plane(clusters.vectors[marks], seed)
    points = tuple(
        MapPoint(
            x=round(float(x), 3),
            y=round(float(y), 3),
            cluster=int(clusters.of_row[at]),
            chosen=bool(choice.chosen[at]),
            text=input_excerpt(row)[:TEXT],
            target=row.target[:TEXT],
        )
        for (x, y), at, row in zip(
            places, np.flatnonzero(marks), compress(rows, marks.tolist()), strict=True
        )
    )
    sizes = np.bincount(clusters.of_row)
    return SimilarityMap(
        rows=total,
        chosen=int(choice.chosen.sum()),
        clusters=len(sizes),
        largest=tuple(int(size) for size in sizes[:5]),
        vendi=round(clusters.vendi(np.ones(total, np.bool_)), 2),
        vendi_chosen=round(clusters.vendi(choice.chosen), 2),
        vendi_random=round(clusters.vendi(_random(choice, seed)), 2),
        points=points,
    )


def _random(choice: Selection, seed: int) -> NDArray[np.bool_]:
    """As many rows as were chosen, drawn blindly: what the chosen ones are held against."""
    import numpy as np

    marks = np.zeros(len(choice.chosen), np.bool_)
    order = np.random.default_rng(seed).permutation(len(marks))
    marks[order[: int(choice.chosen.sum())]] = True
    return marks


def _plane(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Two coordinates a row (t-SNE: van der Maaten, Hinton 2008), scaled to 0..1."""
    import numpy as np
    from sklearn.manifold import TSNE

    if len(vectors) < 4:
        return np.linspace(0, 1, 2 * len(vectors)).reshape(-1, 2)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    flat = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scaled: NDArray[np.float64] = (flat - low) / np.where(high > low, high - low, 1)
    return scaled
