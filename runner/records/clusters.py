"""Rows that are like each other: clusters of near-duplicates, and the map of a selection."""

from __future__ import annotations

from dataclasses import dataclass

from runner.records.json_form import given_fields
from runner.records.rows import Origin

CLUSTERS = "clusters.jsonl"
MAP = "map.json"


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A row of a cluster; texts are cut short."""

    id: str = ""
    origin: Origin | None = None
    text: str = ""
    target: str = ""
    stays: str | None = None
    """The split it is left in; None for a row that was dropped."""
    similarity: float | None = None
    """To the kept row; None for that row itself."""

    def to_json(self) -> dict[str, object]:
        return given_fields(self)


@dataclass(frozen=True, slots=True)
class NearCluster:
    """Rows that nearly repeat each other, of which one is kept: a line of ``clusters.jsonl``."""

    kept: ClusterRow
    members: tuple[ClusterRow, ...] = ()
    split: str = "train"

    def to_json(self) -> dict[str, object]:
        return {"split": self.split, "kept": self.kept, "members": self.members}


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A training row on the plane, `x` and `y` from 0 to 1."""

    x: float
    y: float
    cluster: int
    """Number of its cluster; 0 is the largest."""
    chosen: bool
    text: str
    target: str


@dataclass(frozen=True, slots=True)
class SimilarityMap:
    """Training rows on a plane, near each other where their texts are alike: ``map.json``. A
    Vendi score says how many rows with nothing in common would be as diverse."""

    rows: int
    chosen: int
    clusters: int
    largest: tuple[int, ...]
    """Rows of the largest clusters."""
    vendi: float
    """Of all rows."""
    vendi_chosen: float
    vendi_random: float
    """Of as many rows as were chosen, drawn at random."""
    points: tuple[MapPoint, ...]
    """A seeded sample where there are many rows."""
