"""The rows as points on a plane, for people: near each other where their texts are alike."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import TYPE_CHECKING

from runner.prepare.journal import shown
from runner.prepare.select.choice import Choice
from runner.records import Row
from runner.records.clusters import MapPoint, SimilarityMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST = 1500
"""Points drawn; a seeded sample of the rows where there are more."""
TEXT = 160
PERPLEXITY = 30.0


def drawn(rows: Iterable[Row], choice: Choice, seed: int) -> SimilarityMap:
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
            text=shown(row)[:TEXT],
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


def _random(choice: Choice, seed: int) -> NDArray[np.bool_]:
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
