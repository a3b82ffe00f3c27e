"""The training rows on a plane, when a selection compared them by similarity."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from markupsafe import Markup

from runner.base.text import plural
from runner.records import read_record, read_records
from runner.records.clusters import CLUSTERS, MAP, ClusterRow, NearCluster, SimilarityMap
from runner.records.summaries import ClusterCounts
from runner.report.charts import Axis, Plot
from runner.report.format import clip, count, number
from runner.report.page import where

COLOURS = 6
"""Clusters with a colour of their own, the largest ones; the style sheet has as many."""


@dataclass(frozen=True, slots=True)
class RowMap:
    """The picture and the sentence below it."""

    picture: Markup
    about: str


def row_map(rendered: Path) -> RowMap | None:
    """None when the rows were not compared by similarity."""
    path = rendered / MAP
    if not path.is_file():
        return None
    found = read_record(path, SimilarityMap)
    axis = Axis(-0.02, 1.02, ())
    plot = Plot("Training rows, near each other where their texts are alike", axis, axis, 420)
    # Rows that are used are drawn last, on top of the others.
    for point in sorted(found.points, key=lambda point: point.chosen):
        css = f"c{point.cluster}" if point.cluster < COLOURS else "b1"
        title = f"{clip(point.text, 160)} → {clip(point.target, 60)}"
        used = point.chosen
        plot.dot(
            point.x,
            point.y,
            css if used else f"{css} unused",
            title if used else f"not used: {title}",
            3.5 if used else 2.5,
        )
    return RowMap(plot.markup(), _about(found))


def _about(found: SimilarityMap) -> str:
    shown = len(found.points)
    sample = f" (a sample of {count(shown)} is drawn)" if shown < found.rows else ""
    clusters = plural(found.clusters, "cluster")
    return (
        f"{count(found.chosen)} of {count(found.rows)} rows are used{sample}, in {clusters}; "
        f"the {COLOURS} largest have colours. Diversity (Vendi score: as many rows with nothing "
        f"in common would be as diverse): {found.vendi_chosen} of the rows used, "
        f"{found.vendi_random} of as many drawn at random, {found.vendi} of all."
    )


# Clusters of near-duplicates, for people to judge: the row that stays beside those that go.

MAX_CLUSTERS = 12
MAX_MEMBERS = 6
SPAN = 240


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """One row of a cluster."""

    id: str
    where: str
    how: str
    """``stays``, or its similarity to the row that stays and what else there is to say."""
    text: str


@dataclass(frozen=True, slots=True)
class ShownCluster:
    """One cluster, the row that stays first."""

    rows: int
    members: list[ClusterMember]
    hidden: int
    """Rows that are not shown."""


@dataclass(frozen=True, slots=True)
class ClusterSection:
    """The largest clusters and how many there are of each size."""

    about: str
    shown: list[ShownCluster]


def clusters(numbers: ClusterCounts | None, prepared: Path) -> ClusterSection | None:
    """The clusters of a prepared folder; None where near-duplicates were not looked for or
    there are none."""
    path = prepared / CLUSTERS
    if numbers is None or not path.is_file():
        return None
    shown = list(map(_shown, islice(read_records(path, NearCluster), MAX_CLUSTERS)))
    return ClusterSection(_about_clusters(numbers), shown) if shown else None


def _about_clusters(numbers: ClusterCounts) -> str:
    sizes = ", ".join(f"{count(n)} of {size}" for size, n in list(numbers.sizes.items())[:8])
    more = " ..." if len(numbers.sizes) > 8 else ""
    return (
        f"{plural(numbers.rows, 'row')} in {plural(numbers.clusters, 'cluster')} of "
        f"near-duplicates; rows a cluster: {sizes}{more}. One row of each stays, and the others "
        f"are verified to be like it. The largest ones first; all stand in clusters.jsonl."
    )


def _shown(cluster: NearCluster) -> ShownCluster:
    others, first = cluster.members, cluster.kept
    kept = _member(first, _stays(first) or "stays")
    listed = [_member(row, _how(row, first)) for row in others[:MAX_MEMBERS]]
    return ShownCluster(len(others) + 1, [kept, *listed], len(others) - len(listed))


def _how(row: ClusterRow, first: ClusterRow) -> str:
    said = [number(row.similarity, 2)]
    if row.target != first.target:
        said.append("another target")
    return ", ".join([*said, _stays(row)] if _stays(row) else said)


def _stays(row: ClusterRow) -> str:
    """``stays``, and where, unless that is train."""
    split = row.stays
    return f"stays in {split}" if split and split != "train" else "stays" if split else ""


def _member(row: ClusterRow, how: str) -> ClusterMember:
    return ClusterMember(row.id, where(row.origin), how, clip(row.text, SPAN))
