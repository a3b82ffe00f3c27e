"""The data treatments of an experiment: arms that saw the same prepared rows, taken together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner.records import read_jsonl
from runner.report.flow import SplitFlow, dropped_total, flow, read_tallies
from runner.report.reasons import in_words, is_set_aside
from runner.report.scoreboard import Line
from runner.report.wording import clip

SHOWN = 20
"""Dropped rows listed on the page; the file has all of them."""


@dataclass(frozen=True, slots=True)
class Lost:
    """One dropped row and why."""

    id: str
    where: str
    reason: str
    matched: str
    span: str


@dataclass(frozen=True, slots=True)
class Treatment:
    """One way the data were prepared and rendered, and the arms it served."""

    arms: list[str]
    flows: list[SplitFlow]
    dropped: int
    lost: list[Lost]
    files: list[tuple[str, str]]
    """Name and relative link of the files with everything that dropped."""
    card: str
    """Relative link of the data card; empty when there is none beside the page."""
    missing: bool
    """The artifact folders are gone, so there is nothing to show."""


def card_name(rendered: Path) -> str:
    """File name of the data card of a rendered folder."""
    return f"data_card_{rendered.name[:8]}.html"


def treatments(lines: Sequence[Line], page: Path) -> list[Treatment]:
    """Every distinct pair of prepared and rendered data; links are relative to `page`."""
    groups: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        made = line.arm.artifacts
        pair = (made.get("prepare", ""), made.get("render", ""))
        if any(pair):
            groups.setdefault(pair, []).append(line.arm.name)
    return [_treatment(pair, arms, page) for pair, arms in groups.items()]


def _treatment(pair: tuple[str, str], arms: list[str], page: Path) -> Treatment:
    folders = [Path(folder) for folder in pair if folder]
    tallies = read_tallies(folders)
    card = page.with_name(card_name(Path(pair[1]))) if pair[1] else None
    return Treatment(
        arms=arms,
        flows=flow(tallies),
        dropped=dropped_total(tallies),
        lost=_lost(folders),
        files=_files(folders, page),
        card=link(card, page) if card and card.is_file() else "",
        missing=not tallies,
    )


def link(target: Path, page: Path) -> str:
    """Relative URL from `page` to `target`; it always starts with a dot, so that no name can
    pass for a scheme."""
    relative = os.path.relpath(target.absolute(), page.absolute().parent)
    return quote(relative if relative.startswith(".") else f"./{relative}", errors="replace")


def where(origin: Any) -> str:
    """``train.jsonl:23``; empty when unknown."""
    if not isinstance(origin, dict) or not origin.get("file"):
        return ""
    return f"{Path(str(origin['file'])).name}:{origin.get('line', '?')}"


def _files(folders: Sequence[Path], page: Path) -> list[tuple[str, str]]:
    names = ("dropped.jsonl", "faults.jsonl")
    paths = [folder / name for folder in folders for name in names]
    kept = [path for path in paths if path.is_file() and path.stat().st_size]
    return [(f"{path.parent.name[:8]}/{path.name}", link(path, page)) for path in kept]


def _lost(folders: Sequence[Path]) -> list[Lost]:
    found: list[Lost] = []
    for folder in folders:
        path = folder / "dropped.jsonl"
        if path.is_file():
            rows = (raw for raw in read_jsonl(path) if not is_set_aside(str(raw.get("reason", ""))))
            found += [_one(raw) for raw in islice(rows, SHOWN - len(found))]
    return found


def _one(raw: dict[str, Any]) -> Lost:
    matched = str(raw.get("matched", ""))
    at = where(raw.get("matched_origin"))
    return Lost(
        id=str(raw.get("id", "")),
        where=where(raw.get("origin")),
        reason=in_words(str(raw.get("reason", ""))),
        matched=f"{matched} ({at})" if matched and at else matched,
        span=clip(str(raw.get("span", "")), 200),
    )


def read_json(path: Path) -> Any:
    """The file's content, an empty object when it is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
