"""``clusters.jsonl``: what nearly repeats what, for people to judge before they trust it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runner.prepare.fuzzy import Cluster, Clusters
from runner.prepare.journal import shown
from runner.prepare.spill import Spill
from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "clusters.jsonl"


def write_clusters(out: Path, rows: Spill, places: NDArray[np.int64], found: Clusters) -> None:
    """One line a cluster, the largest first: `kept` (id, origin, text) and `members`, each with
    its `similarity` to the kept row and, where that is below the threshold, the row `through`
    which it belongs here. `places` are the rows that the clusters count."""
    largest = sorted(found, key=lambda one: -len(one.members))
    with (out / NAME).open("wb") as stream:
        for cluster in largest:
            stream.write(orjson.dumps(_line(cluster, rows, places)) + b"\n")


def cluster_counts(found: Clusters) -> dict[str, Any]:
    """How many clusters, rows in them, the largest, and clusters by size."""
    sizes = Counter(len(one.members) + 1 for one in found)
    return {
        "clusters": len(found),
        "rows": sum(size * count for size, count in sizes.items()),
        "largest": max(sizes, default=0),
        "sizes": {str(size): sizes[size] for size in sorted(sizes)},
    }


def _line(cluster: Cluster, rows: Spill, places: NDArray[np.int64]) -> dict[str, Any]:
    wanted = [cluster.kept, *(near.row for near in cluster.members)]
    texts = rows.rows(places[wanted])
    return {
        "split": rows.split,
        "kept": _told(next(texts)),
        "members": list(_members(cluster, texts, rows, places)),
    }


def _members(
    cluster: Cluster, texts: Iterator[Row], rows: Spill, places: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    for near, row in zip(cluster.members, texts, strict=True):
        told = {**_told(row), "similarity": round(near.score, 4)}
        if near.through:
            other, score = near.through
            (link,) = rows.rows(places[[other]])
            told["through"] = {"id": link.id, "similarity": round(score, 4)}
        yield told


def _told(row: Row) -> dict[str, Any]:
    origin = {"file": row.origin.file, "line": row.origin.line}
    return {"id": row.id, "origin": origin, "text": shown(row)}
