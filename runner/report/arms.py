"""The arms table of the page: every number formatted, every cell with a value to sort by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from runner.plural import plural
from runner.report.intervals import Entry, Track, ruler, scale, track
from runner.report.places import link
from runner.report.scoreboard import Line
from runner.report.wording import (
    MISSING,
    count,
    decimals,
    interval,
    number,
    p_value,
    seconds,
    signed,
)
from runner.results import ArmResult, Score

KINDS = {"zero_shot": "zero-shot", "few_shot": "few-shot", "tuned": "tuned"}
MAX_TRACKS = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` with a smaller `note` and a `warning` below it; `sort` is the number to sort by,
    empty for none."""

    text: str
    note: str = ""
    sort: str = ""
    title: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm."""

    name: str
    css: str
    role: str
    kind: str
    status: str
    varying: list[str]
    rows: Cell
    best: str
    validation: Cell
    test: Cell
    difference: Cell
    better: str
    """``better``, ``worse`` or ``open``: what the interval of the difference says."""
    p: Cell
    seconds: Cell
    error: str
    log: str
    log_link: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Forest:
    """Picture of the test scores; `known` arms have one, the first `MAX_TRACKS` are drawn."""

    tracks: list[Track]
    ruler: Markup
    reference: str
    """Name of the strongest untuned arm, whose score is the dashed line."""
    known: int


def rows(lines: Sequence[Line], looks: Mapping[str, str], places: int, page: Path) -> list[ArmRow]:
    """All arms in leaderboard order."""
    return [_row(line, varying_keys(lines), looks, places, page) for line in lines]


def varying_keys(lines: Sequence[Line]) -> list[str]:
    """Swept keys in order of appearance."""
    keys = dict.fromkeys(key for line in lines for key in line.arm.varying)
    return [key for key in keys if key != "prepare.select.size"]  # that is the column Rows


def forest(lines: Sequence[Line], looks: Mapping[str, str], places: int) -> Forest | None:
    """None when no arm has a test score."""
    scored = [line for line in lines if line.test]
    if not scored:
        return None
    notes = {"winner": "winner", "strongest": "to beat", "baseline": "", "tuned": ""}
    entries = [
        Entry(line.arm.name, looks[line.arm.digest], line.test, notes[line.role])
        for line in scored[:MAX_TRACKS]
    ]
    bar = next((line for line in scored if line.role == "strongest"), None)
    reference = bar.test.value if bar and bar.test else None
    axis = scale(entries)
    tracks = [track(entry, axis, places, reference) for entry in entries]
    return Forest(tracks, ruler(axis), bar.arm.name if bar else "", len(scored))


def _row(
    line: Line, keys: Sequence[str], looks: Mapping[str, str], places: int, page: Path
) -> ArmRow:
    arm = line.arm
    return ArmRow(
        name=arm.name,
        css=looks[arm.digest],
        role=line.role,
        kind=KINDS[arm.kind],
        status=arm.status,
        varying=[arm.varying.get(key, "") for key in keys],
        rows=_examples(line),
        best=line.best,
        validation=_score(line.validation, places),
        test=_score(line.test, places, line.unanswered),
        difference=_difference(line),
        better=verdict_of(line),
        p=_p(line),
        seconds=_seconds(line),
        error=_without_log(arm),
        log=arm.log,
        log_link=link(Path(arm.log), page) if arm.log else "",
        traceback=arm.traceback,
    )


def verdict_of(line: Line) -> str:
    """What the difference says about the arm."""
    found = line.difference
    if not found or not found.clear:
        return "open"
    return "better" if line.gain > 0 else "worse"


def _examples(line: Line) -> Cell:
    if line.arm.kind != "tuned":
        shots = line.arm.shots
        return Cell(MISSING, sort="0", title=f"{plural(shots, 'worked example')} in the prompt")
    known = line.arm.train_examples
    return Cell(count(known), sort=str(known)) if known else Cell(MISSING)


def _score(score: Score | None, places: int, warning: str = "") -> Cell:
    if score is None:
        return Cell(MISSING, warning=warning)
    shown = interval(score.low, score.high, places)
    return Cell(
        number(score.value, places),
        note=shown,
        warning=warning,
        sort=repr(score.value),
        title=f"over {plural(score.n, 'row')}",
    )


def _without_log(arm: ArmResult) -> str:
    """The error's own sentences; where the log is has a place of its own."""
    lines = arm.error.splitlines()
    return "\n".join(line for line in lines if line.strip() != f"log: {arm.log}")


def _difference(line: Line) -> Cell:
    found = line.difference
    if found is None:
        return Cell(MISSING)
    places = decimals([found])
    return Cell(
        signed(found.value, places),
        note=interval(found.low, found.high, places),
        sort=repr(found.value),
        title=f"paired over {plural(found.n, 'row')}, {found.discordant} of them differ",
    )


def _p(line: Line) -> Cell:
    found = line.difference
    if found is None:
        return Cell(MISSING)
    title = f"{p_value(found.p)} before Holm's correction"
    return Cell(p_value(found.p_holm), sort=repr(found.p_holm), title=title)


def _seconds(line: Line) -> Cell:
    if line.seconds is None:
        return Cell(MISSING)
    return Cell(seconds(line.seconds), sort=repr(line.seconds))
