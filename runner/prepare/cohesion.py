"""Which rows of train must not be parted by a split: groups, and clusters of near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.config import Prepare, Split
from runner.plural import plural
from runner.prepare.draw import units
from runner.prepare.fuzzy import near_components
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
    cluster = near_components(texts, config.split.cluster, folder).astype(np.uint64) + np.uint64(1)
    out = np.zeros(len(train), np.uint64)
    out[places] = units(cluster, train.group[places]).astype(np.uint64) + np.uint64(1)
    return out


def swallowed(together: Hashes, pool: Mask, config: Split) -> list[str]:
    """A warning where chains of near-duplicates tie so many rows together that the split is hardly
    a draw any more: what is left to cut from is another kind of row."""
    import numpy as np

    if config.cluster is None or not pool.any():
        return []
    largest, rows = int(np.unique(together[pool], return_counts=True)[1].max()), int(pool.sum())
    if largest <= max(1, config.warn_cluster * rows):
        return []
    return [
        f"one cluster of near-duplicates holds {largest:,} of {plural(rows, 'row')} "
        f"({largest / rows:.0%}) and stays on one side of the split, so validation and test are "
        "drawn from the other rows; raise prepare.split.cluster.threshold, or group by what the "
        "rows share (source.group)"
    ]
