"""Which rows of train must not be parted by a split: groups, and clusters of near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.config import Prepare, Split
from runner.kernels.minhash import near_components
from runner.prepare.kernel_settings import kernel_errors, minhash_settings
from runner.prepare.row_table import RowTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.row_status import Mask
    from runner.prepare.row_table import Hashes

    Ids = NDArray[np.int64]


def split_groups(train: RowTable, pool: Mask, config: Prepare) -> Hashes:
    """Per row, a number it shares with the rows it must stay with; 0 for a row that is free.

    These are the groups of the source; with `split.cluster` also the rows of `pool` that nearly
    repeat each other, and whatever groups and clusters hang together with.
    """
    import numpy as np

    if config.split.cluster is None:
        return train.group
    places, folder = np.flatnonzero(pool), train.path.parent
    texts = train.inputs.where(pool, folder)
    settings = minhash_settings(config.split.cluster)
    with kernel_errors():
        cluster = near_components(texts, settings, folder).astype(np.uint64) + np.uint64(1)
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


# A seeded, stratified, grouped draw of rows that does not depend on their order.


def draw(
    key: Hashes, group: Hashes, stratum: Hashes, weight: NDArray[np.int64], size: int, seed: int
) -> NDArray[np.bool_]:
    """Mark rows whose weights sum to at most `size`, and to `size` when no group is in the way.

    All arrays are parallel, one entry a row. Rows with one key, or one non-zero group, are taken
    together or not at all. Each stratum gives its proportional share (largest remainder). Which
    rows of a stratum are taken follows from their keys and the seed alone, so the result is the
    same set whatever the order of the rows.
    """
    import numpy as np

    unit = units(key, group)
    count = int(unit.max()) + 1 if len(unit) else 0
    sizes = np.bincount(unit, weights=weight, minlength=count).astype(np.int64)
    rank = np.full(count, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(rank, unit, mix(key, seed))
    strata, of_row = np.unique(stratum, return_inverse=True)
    of_unit = _main_stratum(unit, of_row, count, len(strata))
    have = np.bincount(of_unit, weights=sizes, minlength=len(strata)).astype(np.int64)
    quota = _shares(have, min(size, int(have.sum())), mix(strata, seed))
    taken = _fill(of_unit, rank, sizes, quota)
    left = size - int(sizes[taken].sum())
    for at in np.argsort(rank, kind="stable") if left else ():
        if not taken[at] and sizes[at] <= left:
            taken[at] = True
            left -= int(sizes[at])
        if not left:
            break
    return taken[unit]


def units(key: Hashes, group: Hashes) -> Ids:
    """Number of the smallest set of rows that stays together: rows with one key or one group,
    and whatever those hang together with."""
    import numpy as np

    _, of_key = np.unique(key, return_inverse=True)
    if not group.any():
        return of_key
    root = list(range(len(key)))
    names = (np.unique(values, return_inverse=True)[1] for values in (key, group))
    for number, ids in enumerate(names):
        first: dict[int, int] = {}
        for row, name in enumerate(ids.tolist()):
            if number == 1 and not group[row]:
                continue
            _join(root, row, first.setdefault(name, row))
    roots = [_find(root, row) for row in range(len(root))]
    unit: Ids = np.unique(roots, return_inverse=True)[1]
    return unit


def mix(hashes: Hashes, seed: int) -> Hashes:
    """Other 64 bits for every seed (the finaliser of SplitMix64: Steele, Lea, Flood 2014)."""
    import numpy as np

    z = hashes + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _main_stratum(unit: Ids, of_row: Ids, count: int, strata: int) -> Ids:
    """Per unit, the stratum most of its rows belong to."""
    import numpy as np

    pairs, times = np.unique(unit * strata + of_row, return_counts=True)
    order = np.lexsort((times, pairs // strata))
    out = np.zeros(count, np.int64)
    out[pairs[order] // strata] = pairs[order] % strata  # the last one written has most rows
    return out


def _shares(have: Ids, size: int, tie: Hashes) -> Ids:
    """`size` cut in proportion to `have`, to whole numbers by the largest remainder."""
    import numpy as np

    exact = have * (size / max(1, int(have.sum())))
    quota: Ids = np.floor(exact).astype(np.int64)
    order = np.lexsort((tie, quota - exact))
    quota[order[: size - int(quota.sum())]] += 1
    return quota


def _fill(of_unit: Ids, rank: Hashes, sizes: Ids, quota: Ids) -> NDArray[np.bool_]:
    """Take units by rank until their stratum's quota is full."""
    import numpy as np

    order = np.lexsort((rank, of_unit))
    running = np.cumsum(sizes[order])
    starts = np.flatnonzero(np.diff(of_unit[order], prepend=-1))
    before = np.repeat(
        running[starts] - sizes[order][starts], np.diff(np.append(starts, len(order)))
    )
    taken = np.zeros(len(of_unit), np.bool_)
    taken[order] = running - before <= quota[of_unit[order]]
    return taken


def _find(root: list[int], row: int) -> int:
    while root[row] != row:
        root[row] = root[root[row]]
        row = root[row]
    return row


def _join(root: list[int], left: int, right: int) -> None:
    one, two = _find(root, left), _find(root, right)
    root[max(one, two)] = min(one, two)
