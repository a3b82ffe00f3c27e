"""Which rows of train must not be parted by a split: groups, and clusters of near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.prepare.draw import units
from runner.prepare.fuzzy import near_clusters
from runner.prepare.spill import Spill

if TYPE_CHECKING:
    from runner.prepare.fates import Mask
    from runner.prepare.spill import Hashes


def stays_together(train: Spill, pool: Mask, config: Prepare) -> Hashes:
    """Per row, a number it shares with the rows it must stay with; 0 for a row that is free.

    These are the groups of the source; with `split.cluster` also the rows of `pool` that nearly
    repeat each other, and whatever groups and clusters hang together with.
    """
    import numpy as np

    if config.split.cluster is None:
        return train.group
    places, folder = np.flatnonzero(pool), train.path.parent
    texts = train.inputs.where(pool, folder)
    cluster = np.arange(1, len(places) + 1, dtype=np.uint64)
    for found in near_clusters(texts, config.split.cluster, folder=folder):
        for near in found.members:
            cluster[near.row] = cluster[near.matched]
    out = np.zeros(len(train), np.uint64)
    out[places] = units(cluster, train.group[places]).astype(np.uint64) + np.uint64(1)
    return out
