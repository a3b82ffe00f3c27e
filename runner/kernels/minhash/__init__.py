"""Near-duplicates: MinHash LSH proposes, the true Jaccard similarity of shingles decides.

Texts are compared as they are given: what is to be ignored (case, punctuation) is normalised
away before. Results do not depend on the number of threads.

Memory: 8 bytes a row for its place, 8 a row and band for the keys (144 with the defaults) and up
to 56 a row while they are sorted; texts beyond 64 MB lie in a temporary file that the system pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.kernels.minhash.clusters import (
    BandIndex,
    Cluster,
    DuplicateClusters,
    NearDuplicate,
    VerifiedPairs,
    clusters,
    connect,
    matches,
)
from runner.kernels.minhash.engine import Engine
from runner.kernels.minhash.plan import MinHashSettings, bands, plan_of, proposed
from runner.kernels.texts import Texts, from_arrow, gather

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Cluster",
    "DuplicateClusters",
    "MinHashSettings",
    "NearDuplicate",
    "Texts",
    "bands",
    "from_arrow",
    "gather",
    "near_clusters",
    "near_components",
    "near_duplicates",
    "near_matches",
    "proposed",
]

BATCH = 16_384
"""Rows that are matched with a corpus at a time."""


def near_clusters(
    texts: Texts | Iterable[str],
    settings: MinHashSettings,
    priority: NDArray[np.float64] | None = None,
    folder: Path | None = None,
    threads: int | None = None,
    stays: NDArray[np.bool_] | None = None,
) -> DuplicateClusters:
    """The rows that are kept, each with the rows that nearly repeat it.

    Each member is verified at or above the threshold with the row that is kept for it. What is
    kept holds no two rows that LSH proposes at or above the threshold (but for those of `stays`
    among each other), so a second pass finds nothing.

    Args:
        priority: one number a row, more is better; the first row of a cluster without it.
        folder: where a temporary file may lie.
        threads: at most so many; the processor's when None.
        stays: rows that are kept whatever they are like, and before all others.
    """
    held = _held(texts, folder)
    engine = Engine(plan_of(settings), threads)
    return clusters(held, engine, priority, _links(held, settings, engine, folder), stays, folder)


def near_components(
    texts: Texts | Iterable[str], settings: MinHashSettings, folder: Path | None = None
) -> NDArray[np.int64]:
    """Per row, the first row of those that chains of near-duplicates connect with it. For keeping
    rows together: the ends of a chain may have nothing in common."""
    held = _held(texts, folder)
    return _links(held, settings, Engine(plan_of(settings)), folder).root


def near_duplicates(texts: Texts | Iterable[str], settings: MinHashSettings) -> list[NearDuplicate]:
    """Rows that nearly repeat an earlier one, each with the row that is kept for it, in order."""
    found = near_clusters(texts, settings)
    return sorted((near for one in found for near in one.members), key=lambda near: near.row)


def near_matches(
    texts: Texts | Iterable[str],
    corpus: Texts | Iterable[str],
    settings: MinHashSettings,
    folder: Path | None = None,
) -> list[NearDuplicate]:
    """Rows of `texts` with a near-duplicate in `corpus`, each with the most similar one. Of rows
    that are all alike the corpus shows 64."""
    held, plan = _held(corpus, folder), plan_of(settings)
    shelf, found = None, []
    for low, part in _held(texts, folder).batches(BATCH):
        engine = Engine(plan)
        if shelf is None:
            shelf = BandIndex(engine.band_keys(held))
        hits = matches(part, held, shelf, engine)
        found += [replace(near, row=low + near.row) for near in hits]
    return found


def _links(
    held: Texts, settings: MinHashSettings, engine: Engine, folder: Path | None
) -> VerifiedPairs:
    if settings.engine == "local":
        return connect(held, engine)
    from runner.kernels.minhash.daft import daft_links

    return daft_links(held, settings, folder)


def _held(texts: Texts | Iterable[str], folder: Path | None) -> Texts:
    return texts if isinstance(texts, Texts) else gather(texts, folder)
