"""Near-duplicates: MinHash LSH proposes, the true Jaccard similarity of shingles decides.

Texts are compared as they are given: what is to be ignored (case, punctuation) is normalised
away before. Results depend neither on the number of threads nor on numba being there.

Memory: 8 bytes a row for its place, 8 a row and band for the keys (144 with the defaults) and up
to 56 a row while they are sorted; texts beyond 64 MB lie in a temporary file that the system pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import FuzzyDedup
from runner.prepare.fuzzy.clusters import Cluster, DuplicateClusters, Near, clusters
from runner.prepare.fuzzy.engine import Engine
from runner.prepare.fuzzy.matches import Shelf, matches
from runner.prepare.fuzzy.plan import bands, plan_of, proposed
from runner.prepare.texts import Texts, from_arrow, gather

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Cluster",
    "DuplicateClusters",
    "Near",
    "Texts",
    "bands",
    "from_arrow",
    "gather",
    "near_clusters",
    "near_duplicates",
    "near_matches",
    "proposed",
]

BATCH = 16_384
"""Rows that are matched with a corpus at a time."""


def near_clusters(
    texts: Texts | Iterable[str],
    config: FuzzyDedup,
    merit: NDArray[np.float64] | None = None,
    folder: Path | None = None,
    threads: int | None = None,
) -> DuplicateClusters:
    """Clusters of rows that nearly repeat each other, each with the row that is kept.

    What is kept holds no two rows that LSH proposes at or above the threshold, so a second pass
    finds nothing.

    Args:
        merit: one number a row, more is better; the first row of a cluster without it.
        folder: where a temporary file may lie.
        threads: at most so many; the processor's when None.
    """
    held = _held(texts, folder)
    links = None
    if config.engine != "local":
        from runner.prepare.fuzzy.daft_links import daft_links

        links = daft_links(held, config, folder)
    return clusters(held, Engine(plan_of(config), held.size, threads), merit, links)


def near_duplicates(texts: Texts | Iterable[str], config: FuzzyDedup) -> list[Near]:
    """Rows that nearly repeat an earlier one, each with the first row of its cluster, in order."""
    found = near_clusters(texts, config)
    return sorted((near for one in found for near in one.members), key=lambda near: near.row)


def near_matches(
    texts: Texts | Iterable[str],
    corpus: Texts | Iterable[str],
    config: FuzzyDedup,
    folder: Path | None = None,
) -> list[Near]:
    """Rows of `texts` with a near-duplicate in `corpus`, each with the most similar one. Of rows
    that are all alike the corpus shows 64."""
    held, plan = _held(corpus, folder), plan_of(config)
    shelf, found = None, []
    for low, part in _held(texts, folder).batches(BATCH):
        engine = Engine(plan, held.size + part.size)
        if shelf is None:
            shelf = Shelf(engine.band_keys(held))
        hits = matches(part, held, shelf, engine)
        found += [replace(near, row=low + near.row) for near in hits]
    return found


def _held(texts: Texts | Iterable[str], folder: Path | None) -> Texts:
    return texts if isinstance(texts, Texts) else gather(texts, folder)
