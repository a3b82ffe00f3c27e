"""``clusters.jsonl``: what nearly repeats what, for people to judge before they trust it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runner.prepare.dedup import NearRepeats
from runner.prepare.fates import REASONS, Fates
from runner.prepare.fuzzy import Cluster, Clusters
from runner.prepare.journal import shown
from runner.prepare.spill import Spill
from runner.prepare.write import MOVES
from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "clusters.jsonl"
TARGET = 200
"""Characters of a target."""


def write_clusters(out: Path, rows: Spill, fates: Fates, near: NearRepeats) -> None:
    """One line a cluster, the largest first: `kept` (id, origin, text, target) and `members`, each
    with its `similarity` to the kept row. Rows that are left say in which split, as `stays`."""
    largest = sorted(near.clusters, key=lambda one: -len(one.members))
    with (out / NAME).open("wb") as stream:
        for cluster in largest:
            stream.write(orjson.dumps(_line(cluster, rows, fates, near.places)) + b"\n")


def cluster_counts(found: Clusters) -> dict[str, Any]:
    """How many clusters, rows in them, the largest, and clusters by size."""
    sizes = Counter(len(one.members) + 1 for one in found)
    return {
        "clusters": len(found),
        "rows": sum(size * count for size, count in sizes.items()),
        "largest": max(sizes, default=0),
        "sizes": {str(size): sizes[size] for size in sorted(sizes)},
    }


def _line(cluster: Cluster, rows: Spill, fates: Fates, places: NDArray[np.int64]) -> dict[str, Any]:
    wanted = places[[cluster.kept, *(near.row for near in cluster.members)]]
    kept, *members = map(_told, rows.rows(wanted), map(partial(_stays, fates), wanted.tolist()))
    for near, told in zip(cluster.members, members, strict=True):
        told["similarity"] = round(near.score, 4)
    return {"split": rows.split, "kept": kept, "members": members}


def _stays(fates: Fates, place: int) -> str:
    """The split a row is left in; empty for one that was dropped."""
    reason = REASONS[fates.code[place]]
    return "train" if reason is None else MOVES.get(reason, "")


def _told(row: Row, stays: str) -> dict[str, Any]:
    origin = {"file": row.origin.file, "line": row.origin.line}
    told = {"id": row.id, "origin": origin, "text": shown(row), "target": row.target[:TARGET]}
    return {**told, "stays": stays} if stays else told
