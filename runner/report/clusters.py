"""Clusters of near-duplicates, for people to judge: the row that stays beside those that go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from runner.plural import plural
from runner.records import read_jsonl
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
        f"{plural(numbers['rows'], 'row')} in {plural(numbers['clusters'], 'cluster')} of "
        f"near-duplicates; rows a cluster: {sizes}{more}. One row of each stays, and the others "
        f"are verified to be like it. The largest ones first; all stand in clusters.jsonl."
    )


def _shown(raw: Mapping[str, Any]) -> Shown:
    others, first = raw.get("members") or [], raw.get("kept") or {}
    kept = _member(first, _stays(first) or "stays")
    listed = [_member(row, _how(row, first)) for row in others[:MAX_MEMBERS]]
    return Shown(len(others) + 1, [kept, *listed], len(others) - len(listed))


def _how(row: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    said = [number(float(row.get("similarity", float("nan"))), 2)]
    if row.get("target") != first.get("target"):
        said.append("another target")
    return ", ".join([*said, _stays(row)] if _stays(row) else said)


def _stays(row: Mapping[str, Any]) -> str:
    """``stays``, and where, unless that is train."""
    split = row.get("stays")
    return f"stays in {split}" if split and split != "train" else "stays" if split else ""


def _member(row: Mapping[str, Any], how: str) -> Member:
    text = clip(str(row.get("text", "")), SPAN)
    return Member(str(row.get("id", "")), where(row.get("origin")), how, text)
