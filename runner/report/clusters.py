"""Clusters of near-duplicates, for people to judge: the row that stays beside those that go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from runner.records import read_jsonl
from runner.report.places import where
from runner.report.wording import clip, count, number, plural

MAX_CLUSTERS = 12
MAX_MEMBERS = 6
SPAN = 240


@dataclass(frozen=True, slots=True)
class Member:
    """One row of a cluster."""

    id: str
    where: str
    how: str
    """``stays``, or its similarity to the row that stays."""
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One cluster, the row that stays first."""

    rows: int
    members: list[Member]
    hidden: int
    """Rows that are not shown."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """The largest clusters and how many there are of each size."""

    about: str
    shown: list[Shown]


def clusters(prepared: Path) -> Clusters | None:
    """The clusters of a prepared folder; None where near-duplicates were not looked for or
    there are none."""
    path, summary = prepared / "clusters.jsonl", prepared / "summary.json"
    if not path.is_file() or not summary.is_file():
        return None
    numbers = json.loads(summary.read_text(encoding="utf-8")).get("near_clusters")
    shown = list(map(_shown, islice(read_jsonl(path), MAX_CLUSTERS)))
    return Clusters(_about(numbers), shown) if shown and numbers else None


def _about(numbers: Mapping[str, Any]) -> str:
    sizes = ", ".join(f"{count(n)} of {size}" for size, n in list(numbers["sizes"].items())[:8])
    more = " ..." if len(numbers["sizes"]) > 8 else ""
    return (
        f"{plural(numbers['rows'], 'training row')} in {plural(numbers['clusters'], 'cluster')} "
        f"of near-duplicates; rows a cluster: {sizes}{more}. One row of each stays. The largest "
        f"ones first; all of them stand in clusters.jsonl."
    )


def _shown(raw: Mapping[str, Any]) -> Shown:
    others = raw.get("members") or []
    kept = _member(raw.get("kept") or {}, "stays")
    listed = [_member(row, _how(row)) for row in others[:MAX_MEMBERS]]
    return Shown(len(others) + 1, [kept, *listed], len(others) - len(listed))


def _how(row: Mapping[str, Any]) -> str:
    similar = number(float(row.get("similarity", float("nan"))), 2)
    through = row.get("through")
    if not through:
        return similar
    return f"{similar}, through {through.get('id')} ({number(float(through['similarity']), 2)})"


def _member(row: Mapping[str, Any], how: str) -> Member:
    text = clip(str(row.get("text", "")), SPAN)
    return Member(str(row.get("id", "")), where(row.get("origin")), how, text)
