"""Clusters of near-duplicates, for people to judge: the row that stays beside those that go."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runner.plural import plural
from runner.records import read_records
from runner.records.clusters import CLUSTERS, ClusterRow, NearCluster
from runner.records.summaries import ClusterCounts
from runner.report.places import where
from runner.report.wording import clip, count, number

MAX_CLUSTERS = 12
MAX_MEMBERS = 6
SPAN = 240


@dataclass(frozen=True, slots=True)
class Member:
    """One row of a cluster."""

    id: str
    where: str
    how: str
    """``stays``, or its similarity to the row that stays and what else there is to say."""
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One cluster, the row that stays first."""

    rows: int
    members: list[Member]
    hidden: int
    """Rows that are not shown."""


@dataclass(frozen=True, slots=True)
class ClusterSection:
    """The largest clusters and how many there are of each size."""

    about: str
    shown: list[Shown]


def clusters(numbers: ClusterCounts | None, prepared: Path) -> ClusterSection | None:
    """The clusters of a prepared folder; None where near-duplicates were not looked for or
    there are none."""
    path = prepared / CLUSTERS
    if numbers is None or not path.is_file():
        return None
    shown = list(map(_shown, islice(read_records(path, NearCluster), MAX_CLUSTERS)))
    return ClusterSection(_about(numbers), shown) if shown else None


def _about(numbers: ClusterCounts) -> str:
    sizes = ", ".join(f"{count(n)} of {size}" for size, n in list(numbers.sizes.items())[:8])
    more = " ..." if len(numbers.sizes) > 8 else ""
    return (
        f"{plural(numbers.rows, 'row')} in {plural(numbers.clusters, 'cluster')} of "
        f"near-duplicates; rows a cluster: {sizes}{more}. One row of each stays, and the others "
        f"are verified to be like it. The largest ones first; all stand in clusters.jsonl."
    )


def _shown(cluster: NearCluster) -> Shown:
    others, first = cluster.members, cluster.kept
    kept = _member(first, _stays(first) or "stays")
    listed = [_member(row, _how(row, first)) for row in others[:MAX_MEMBERS]]
    return Shown(len(others) + 1, [kept, *listed], len(others) - len(listed))


def _how(row: ClusterRow, first: ClusterRow) -> str:
    said = [number(row.similarity, 2)]
    if row.target != first.target:
        said.append("another target")
    return ", ".join([*said, _stays(row)] if _stays(row) else said)


def _stays(row: ClusterRow) -> str:
    """``stays``, and where, unless that is train."""
    split = row.stays
    return f"stays in {split}" if split and split != "train" else "stays" if split else ""


def _member(row: ClusterRow, how: str) -> Member:
    return Member(row.id, where(row.origin), how, clip(row.text, SPAN))
