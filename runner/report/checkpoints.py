"""The primary score on validation at every checkpoint: how the best one was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.report.axis import Axis
from runner.report.curves import MAX_DRAWN
from runner.report.plot import Plot
from runner.report.scoreboard import Line, primary_score
from runner.report.wording import number, score_text
from runner.results import CheckpointScores, Score

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
    chosen: bool


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Picture (None when no score is defined) and table; `drawn` of `tuned` arms are shown."""

    picture: Markup | None
    rows: list[CheckpointRow]
    drawn: list[Line]
    tuned: int


def checkpoints(
    lines: Sequence[Line], primary: str, looks: Mapping[str, str], places: int
) -> Checkpoints | None:
    """None when no arm has a scored checkpoint."""
    able = [line for line in lines if line.arm.checkpoints]
    if not able:
        return None
    keep = sorted(able, key=lambda line: line.role != "winner")[:MAX_DRAWN]
    drawn = [line for line in able if line in keep]
    rows = [
        _row(line, item, primary, looks, places) for line in drawn for item in line.arm.checkpoints
    ]
    return Checkpoints(_picture(drawn, primary, looks, places), rows, drawn, len(able))


def _row(
    line: Line, item: CheckpointScores, primary: str, looks: Mapping[str, str], places: int
) -> CheckpointRow:
    return CheckpointRow(
        arm=line.arm.name,
        css=looks[line.arm.digest],
        id=item.id,
        epoch=f"{item.epoch:g}",
        step=item.step,
        eval_loss=number(item.eval_loss),
        score=score_text(primary_score(item.validation, primary), places),
        chosen=item.id == line.arm.best,
    )


def _picture(
    drawn: Sequence[Line], primary: str, looks: Mapping[str, str], places: int
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
    line: Line,
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
