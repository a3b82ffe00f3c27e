"""The arms table of the page: every number formatted, every cell with a value to sort by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from runner.base.text import plural
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, CheckpointScores, Score
from runner.report.charts import Axis, ChartEntry, ChartLine, Plot, ruler, scale, track
from runner.report.curves import MAX_DRAWN
from runner.report.format import (
    MISSING,
    count,
    decimals,
    interval,
    number,
    p_value,
    score_text,
    seconds,
    signed,
)
from runner.report.page import link
from runner.report.scoreboard import ScoreboardLine, primary_score, to_beat

KINDS = {"zero_shot": "zero-shot", "few_shot": "few-shot", "tuned": "tuned"}
MAX_TRACKS = 40
SEALED = "The test split is answered by the winner on validation and its baselines only"


@dataclass(frozen=True, slots=True)
class ArmCell:
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
    rows: ArmCell
    best: str
    validation: ArmCell
    test: ArmCell
    difference: ArmCell
    better: str
    """``better``, ``worse`` or ``open``: what the interval of the difference says."""
    p: ArmCell
    seconds: ArmCell
    error: str
    log: str
    log_link: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Forest:
    """Picture of the test scores; `known` arms have one, the first `MAX_TRACKS` are drawn."""

    tracks: list[ChartLine]
    ruler: Markup
    reference: str
    """Name of the untuned arm to beat, whose score is the dashed line, and what it is."""
    known: int


def rows(
    lines: Sequence[ScoreboardLine], looks: Mapping[str, str], places: int, page: Path
) -> list[ArmRow]:
    """All arms in leaderboard order."""
    return [_row(line, varying_keys(lines), looks, places, page) for line in lines]


def varying_keys(lines: Sequence[ScoreboardLine]) -> list[str]:
    """Swept keys in order of appearance."""
    keys = dict.fromkeys(key for line in lines for key in line.arm.varying)
    return [key for key in keys if key != "prepare.select.size"]  # that is the column Rows


def forest(
    lines: Sequence[ScoreboardLine],
    looks: Mapping[str, str],
    places: int,
    result: ExperimentResult,
) -> Forest | None:
    """None when no arm has a test score."""
    scored = [line for line in lines if line.test]
    if not scored:
        return None
    notes = {"winner": "winner", "strongest": "to beat", "baseline": "", "tuned": ""}
    entries = [
        ChartEntry(line.arm.name, looks[line.arm.digest], line.test, notes[line.role])
        for line in scored[:MAX_TRACKS]
    ]
    bar = next((line for line in scored if line.role == "strongest"), None)
    reference = bar.test.value if bar and bar.test else None
    axis = scale(entries)
    tracks = [track(entry, axis, places, reference) for entry in entries]
    words = f"{bar.arm.name}, {to_beat(result, bar)}" if bar else ""
    return Forest(tracks, ruler(axis), words, len(scored))


def _row(
    line: ScoreboardLine, keys: Sequence[str], looks: Mapping[str, str], places: int, page: Path
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
        test=ArmCell("sealed", title=SEALED)
        if arm.sealed
        else _score(line.test, places, line.unanswered),
        difference=_difference(line),
        better=verdict_of(line),
        p=_p(line),
        seconds=_seconds(line),
        error=_without_log(arm),
        log=arm.log,
        log_link=link(Path(arm.log), page) if arm.log else "",
        traceback=arm.traceback,
    )


def verdict_of(line: ScoreboardLine) -> str:
    """What the difference says about the arm."""
    found = line.difference
    if not found or not found.clear:
        return "open"
    return "better" if line.gain > 0 else "worse"


def _examples(line: ScoreboardLine) -> ArmCell:
    if line.arm.kind != "tuned":
        shots = line.arm.shots
        return ArmCell(MISSING, sort="0", title=f"{plural(shots, 'worked example')} in the prompt")
    known = line.arm.train_examples
    return ArmCell(count(known), sort=str(known)) if known else ArmCell(MISSING)


def _score(score: Score | None, places: int, warning: str = "") -> ArmCell:
    if score is None:
        return ArmCell(MISSING, warning=warning)
    shown = interval(score.low, score.high, places)
    return ArmCell(
        number(score.value, places),
        note=shown,
        warning=warning,
        sort=repr(score.value),
        title=f"over {score.basis}",
    )


def _without_log(arm: ArmResult) -> str:
    """The error's own sentences; where the log is has a place of its own."""
    lines = arm.error.splitlines()
    return "\n".join(line for line in lines if line.strip() != f"log: {arm.log}")


def _difference(line: ScoreboardLine) -> ArmCell:
    found = line.difference
    if found is None:
        return ArmCell(MISSING)
    places = decimals([found])
    return ArmCell(
        signed(found.value, places),
        note=interval(found.low, found.high, places),
        sort=repr(found.value),
        title=f"paired over {found.basis}",
    )


def _p(line: ScoreboardLine) -> ArmCell:
    found = line.difference
    if found is None:
        return ArmCell(MISSING)
    title = f"{p_value(found.p)} before Holm's correction"
    return ArmCell(p_value(found.p_holm), sort=repr(found.p_holm), title=title)


def _seconds(line: ScoreboardLine) -> ArmCell:
    if line.seconds is None:
        return ArmCell(MISSING)
    return ArmCell(seconds(line.seconds), sort=repr(line.seconds))


# The primary score on validation at every checkpoint: how the best one was chosen.

APART = 0.012
"""Share of the width by which arms stand apart, so that their intervals do not cover up."""


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint in the table below the picture."""

    arm: str
    css: str
    id: str
    epoch: str
    step: int
    eval_loss: str
    score: str
    standing: str
    """``chosen``, ``tied with the best``, or empty."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Picture (None when no score is defined) and table; `drawn` of `tuned` arms are shown."""

    picture: Markup | None
    rows: list[CheckpointRow]
    drawn: list[ScoreboardLine]
    tuned: int
    rule: str
    """What ties are, and how often the lowest validation loss would have chosen the same."""


def checkpoints(
    lines: Sequence[ScoreboardLine], primary: str, looks: Mapping[str, str], places: int
) -> Checkpoints | None:
    """None when no arm has a scored checkpoint."""
    able = [line for line in lines if line.arm.checkpoints]
    if not able:
        return None
    keep = sorted(able, key=lambda line: line.role != "winner")[:MAX_DRAWN]
    drawn = [line for line in able if line in keep]
    rows = [
        _checkpoint_row(line, item, primary, looks, places)
        for line in drawn
        for item in line.arm.checkpoints
    ]
    return Checkpoints(
        _picture(drawn, primary, looks, places), rows, drawn, len(able), _rule(drawn)
    )


def _rule(drawn: Sequence[ScoreboardLine]) -> str:
    said = []
    if any(item.tied for line in drawn for item in line.arm.checkpoints):
        said.append(
            "Tied: within one standard error of the best; suite.checkpoint: tied takes the "
            "earliest of them."
        )
    several = [line for line in drawn if len(_losses(line)) > 1]
    same = sum(min(_losses(line))[1] == line.arm.best for line in several)
    if several:
        arms = plural(len(several), "arm")
        said.append(f"The lowest validation loss would have chosen the same in {same} of {arms}.")
    return " ".join(said)


def _losses(line: ScoreboardLine) -> list[tuple[float, str]]:
    made = line.arm.checkpoints
    return [(item.eval_loss, item.id) for item in made if math.isfinite(item.eval_loss)]


def _checkpoint_row(
    line: ScoreboardLine,
    item: CheckpointScores,
    primary: str,
    looks: Mapping[str, str],
    places: int,
) -> CheckpointRow:
    return CheckpointRow(
        arm=line.arm.name,
        css=looks[line.arm.digest],
        id=item.id,
        epoch=f"{item.epoch:g}",
        step=item.step,
        eval_loss=number(item.eval_loss),
        score=score_text(primary_score(item.validation, primary), places),
        standing=", ".join(_standing(line, item)),
    )


def _standing(line: ScoreboardLine, item: CheckpointScores) -> Iterator[str]:
    if item.id == line.arm.best:
        yield "chosen"
    if item.tied:
        yield "tied with the best"
    losses = _losses(line)
    if len(losses) > 1 and min(losses)[1] == item.id:
        yield "lowest loss"


def _picture(
    drawn: Sequence[ScoreboardLine], primary: str, looks: Mapping[str, str], places: int
) -> Markup | None:
    scored = [
        (line, item, score)
        for line in drawn
        for item in line.arm.checkpoints
        if (score := primary_score(item.validation, primary))
    ]
    if not scored:
        return None
    ends = [x for _, _, score in scored for x in (score.value, score.low, score.high)]
    inner = Axis.over([item.epoch for _, item, _ in scored], whole=True)
    first, last = inner.ticks[0], inner.ticks[-1]
    pad = (last - first) * 0.08
    x = Axis(first - pad, last + pad, inner.ticks)
    plot = Plot(f"{primary} on validation by epoch.", x, Axis.over(ends), height=260)
    for index, line in enumerate(drawn):
        shift = (index - (len(drawn) - 1) / 2) * APART * (x.high - x.low)
        mine = [(item, score) for other, item, score in scored if other is line]
        _draw(plot, line, mine, shift, looks[line.arm.digest], places)
    return plot.markup()


def _draw(
    plot: Plot,
    line: ScoreboardLine,
    mine: Sequence[tuple[CheckpointScores, Score]],
    shift: float,
    css: str,
    places: int,
) -> None:
    plot.line([(item.epoch + shift, score.value) for item, score in mine], css, line.arm.name)
    for item, score in mine:
        chosen = item.id == line.arm.best
        title = f"{line.arm.name}, checkpoint {item.id}: {score_text(score, places)}"
        if math.isfinite(score.low) and math.isfinite(score.high):
            plot.whisker(item.epoch + shift, score.low, score.high, css)
        plot.dot(
            item.epoch + shift,
            score.value,
            f"{css} ring" if chosen else css,
            f"{title}, chosen" if chosen else title,
            6 if chosen else 3.5,
        )
