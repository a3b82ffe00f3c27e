"""``clusters.jsonl``: what nearly repeats what, for people to judge before they trust it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from runner.prepare.dedup import NearRepeats
from runner.prepare.fates import REASONS, Fates
from runner.prepare.fuzzy import Cluster, DuplicateClusters
from runner.prepare.journal import shown
from runner.prepare.spill import Spill
from runner.prepare.write import MOVES
from runner.records import Row, record_line
from runner.records.clusters import CLUSTERS, ClusterRow, NearCluster
from runner.records.summaries import ClusterCounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TARGET = 200
"""Characters of a target."""


def write_clusters(out: Path, rows: Spill, fates: Fates, near: NearRepeats) -> None:
    """One line a cluster, the largest first: `kept` (id, origin, text, target) and `members`, each
    with its `similarity` to the kept row. Rows that are left say in which split, as `stays`."""
    largest = sorted(near.clusters, key=lambda one: -len(one.members))
    with (out / CLUSTERS).open("wb") as stream:
        for cluster in largest:
            stream.write(record_line(_told(cluster, rows, fates, near.places)))


def cluster_counts(found: DuplicateClusters) -> ClusterCounts:
    """How many clusters, rows in them, the largest, and clusters by size."""
    sizes = Counter(len(one.members) + 1 for one in found)
    return ClusterCounts(
        clusters=len(found),
        rows=sum(size * count for size, count in sizes.items()),
        largest=max(sizes, default=0),
        sizes={str(size): sizes[size] for size in sorted(sizes)},
    )


def _told(cluster: Cluster, rows: Spill, fates: Fates, places: NDArray[np.int64]) -> NearCluster:
    wanted = places[[cluster.kept, *(near.row for near in cluster.members)]]
    kept, *others = zip(rows.rows(wanted), wanted.tolist(), strict=True)
    members = [
        _row(row, _stays(fates, place), round(near.score, 4))
        for near, (row, place) in zip(cluster.members, others, strict=True)
    ]
    return NearCluster(_row(kept[0], _stays(fates, kept[1])), tuple(members), rows.split)


def _stays(fates: Fates, place: int) -> str:
    """The split a row is left in; empty for one that was dropped."""
    reason = REASONS[fates.code[place]]
    return "train" if reason is None else MOVES.get(reason, "")


def _row(row: Row, stays: str, similarity: float | None = None) -> ClusterRow:
    target = row.target[:TARGET]
    return ClusterRow(row.id, row.origin, shown(row), target, stays or None, similarity)
