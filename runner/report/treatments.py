"""The data treatments of an experiment: arms that share prepared rows, taken together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runner.records import SPLITS, Dropped, read_records
from runner.report.card_rows import SplitFlow, dropped_total, flow, read_tallies
from runner.report.format import MISSING, clip, count, in_words, is_set_aside
from runner.report.leaks import leaks_page
from runner.report.page import card_name, link, skew_name, where
from runner.report.scoreboard import ScoreboardLine

SHOWN = 20
"""Dropped rows listed on the page; the file has all of them."""


@dataclass(frozen=True, slots=True)
class TreatmentLoss:
    """One dropped row and why."""

    id: str
    where: str
    reason: str
    matched: str
    span: str


@dataclass(frozen=True, slots=True)
class RenderedArms:
    """What some arms were given of the prepared rows."""

    arms: list[str]
    rows: list[str]
    """Rows kept of train, validation and test; a dash where the split is not there."""
    left_out: list[str]
    """``9,023 × not selected`` ..."""
    pages: list[tuple[str, str]]
    """What the pages beside this one are called (data card, leaks, skew), with their links."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One way the rows were prepared, and what was rendered of them for which arms."""

    arms: list[str]
    flows: list[SplitFlow]
    dropped: int
    lost: list[TreatmentLoss]
    files: list[tuple[str, str]]
    """Name and relative link of the files with everything that dropped."""
    rendered: list[RenderedArms]
    missing: bool
    """The artifact folders are gone, so there is nothing to show."""


def treatments(lines: Sequence[ScoreboardLine], page: Path) -> list[Treatment]:
    """Every distinct prepared folder; links are relative to `page`."""
    groups: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        made = line.arm.artifacts
        if "prepare" in made:
            renders = groups.setdefault(made["prepare"], {})
            renders.setdefault(made.get("render", ""), []).append(line.arm.name)
    return [_treatment(Path(folder), renders, page) for folder, renders in groups.items()]


def _treatment(prepared: Path, renders: dict[str, list[str]], page: Path) -> Treatment:
    folders = [prepared, *(Path(folder) for folder in renders if folder)]
    tallies = read_tallies([prepared])
    rendered = [_rendered(Path(folder), arms, page) for folder, arms in renders.items() if folder]
    return Treatment(
        arms=[arm for arms in renders.values() for arm in arms],
        flows=flow(tallies),
        dropped=dropped_total(tallies),
        lost=_lost([prepared]),
        files=_files(folders, page),
        rendered=[item for item in rendered if item],
        missing=not tallies,
    )


def _rendered(folder: Path, arms: list[str], page: Path) -> RenderedArms | None:
    tallies = read_tallies([folder])
    if not tallies:
        return None
    kept = {tally.split: tally.kept for tally in tallies}
    gone = Counter[str]()
    for tally in tallies:
        gone.update(tally.dropped)
    card = page.with_name(card_name(folder))
    skew = page.with_name(skew_name(folder))
    beside = {"data card": card, "leaks": leaks_page(card), "skew": skew}
    return RenderedArms(
        arms=arms,
        rows=[count(kept[split]) if split in kept else MISSING for split in SPLITS],
        left_out=[f"{count(n)} × {in_words(reason)}" for reason, n in gone.most_common()],
        pages=[(name, link(file, page)) for name, file in beside.items() if file.is_file()],
    )


def _files(folders: Sequence[Path], page: Path) -> list[tuple[str, str]]:
    names = ("dropped.jsonl", "faults.jsonl")
    paths = [folder / name for folder in folders for name in names]
    kept = [path for path in paths if path.is_file() and path.stat().st_size]
    return [(f"{path.parent.name[:8]}/{path.name}", link(path, page)) for path in kept]


def _lost(folders: Sequence[Path]) -> list[TreatmentLoss]:
    found: list[TreatmentLoss] = []
    for folder in folders:
        path = folder / "dropped.jsonl"
        if path.is_file():
            rows = (row for row in read_records(path, Dropped) if not is_set_aside(row.reason))
            found += [_one(row) for row in islice(rows, SHOWN - len(found))]
    return found


def _one(row: Dropped) -> TreatmentLoss:
    at = where(row.matched_origin)
    return TreatmentLoss(
        id=row.id,
        where=where(row.origin),
        reason=in_words(row.reason),
        matched=f"{row.matched} ({at})" if row.matched and at else row.matched,
        span=clip(row.span, 200),
    )
