"""The training and validation curves of the tuned arms, overlaid, with their checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.records import Checkpoint, TuningResult
from runner.report.charts import Axis, Plot
from runner.report.format import (
    number,
)
from runner.report.scoreboard import ScoreboardLine

MAX_DRAWN = 12
"""More lines than this in one picture tell nothing."""

Points = list[tuple[float, float]]

PICTURES = (
    ("train_total_loss", "Total loss, training"),
    ("eval_total_loss", "Total loss, validation"),
    ("train_fraction_of_correct_next_step_preds", "Correct next-step predictions, training"),
    ("eval_fraction_of_correct_next_step_preds", "Correct next-step predictions, validation"),
)


@dataclass(frozen=True, slots=True)
class CurveChart:
    """One picture with its heading; `undefined` counts points that were no number."""

    heading: str
    picture: Markup | None
    undefined: int


@dataclass(frozen=True, slots=True)
class CurveCharts:
    """All pictures; `drawn` are the arms in them, `tuned` how many there would be."""

    pictures: list[CurveChart]
    drawn: list[ScoreboardLine]
    tuned: int


def curves(lines: Sequence[ScoreboardLine], looks: Mapping[str, str]) -> CurveCharts | None:
    """The four pictures, None when no arm recorded a curve."""
    able = [line for line in lines if line.arm.tuning and line.arm.tuning.curves]
    if not able:
        return None
    drawn = sorted(able, key=lambda line: line.role != "winner")[:MAX_DRAWN]
    drawn = [line for line in able if line in drawn]
    return CurveCharts(
        [_curve(name, head, drawn, looks) for name, head in PICTURES], drawn, len(able)
    )


def _curve(
    name: str, heading: str, drawn: Sequence[ScoreboardLine], looks: Mapping[str, str]
) -> CurveChart:
    pair = [name, name.replace("train_", "eval_"), name.replace("eval_", "train_")]
    data = {line.arm.digest: _points(line, name) for line in drawn}
    undefined = sum(not math.isfinite(y) for points in data.values() for _, y in points)
    if not any(math.isfinite(y) for points in data.values() for _, y in points):
        return CurveChart(heading, None, undefined)
    # Training and validation of one quantity share their scale, so that a gap is a gap.
    heights = [y for line in drawn for other in pair for _, y in _points(line, other)]
    steps = [x for line in drawn for x, _ in _points(line, name)]
    x, y = Axis.over([0, *steps], whole=True), Axis.over(heights, may_log=name.endswith("loss"))
    plot = Plot(_about(heading, drawn, data), x, y)
    for line in drawn:
        points, css = data[line.arm.digest], looks[line.arm.digest]
        plot.line(points, css, line.arm.name)
        _checkpoints(plot, line, points, css)
    return CurveChart(heading, plot.markup(), undefined)


def _points(line: ScoreboardLine, name: str) -> Points:
    tuning = line.arm.tuning
    found = [point for point in tuning.curves if point.name == name] if tuning else []
    return sorted((float(point.step), point.value) for point in found)


def _checkpoints(plot: Plot, line: ScoreboardLine, points: Points, css: str) -> None:
    tuning = line.arm.tuning
    if not tuning:
        return
    for checkpoint in tuning.checkpoints:
        height = _height_at(points, checkpoint.step)
        chosen = checkpoint.id == line.arm.best
        title = _checkpoint_title(line, tuning, checkpoint, height, chosen)
        plot.dot(
            checkpoint.step, height, f"{css} ring" if chosen else css, title, 6 if chosen else 3
        )


def _height_at(points: Points, step: int) -> float:
    """The curve's last value at or before `step`; nan when it starts later."""
    before = [y for x, y in points if x <= step]
    return before[-1] if before else math.nan


def _checkpoint_title(
    line: ScoreboardLine, tuning: TuningResult, checkpoint: Checkpoint, height: float, chosen: bool
) -> str:
    which = f"checkpoint {checkpoint.id} of {len(tuning.checkpoints)}"
    where = f"epoch {checkpoint.epoch:g}, step {checkpoint.step}"
    return f"{line.arm.name}: {which} ({where}) {number(height)}{', chosen' if chosen else ''}"


def _about(heading: str, drawn: Sequence[ScoreboardLine], data: Mapping[str, Points]) -> str:
    ends = [
        f"{line.arm.name} from {number(data[line.arm.digest][0][1])} "
        f"to {number(data[line.arm.digest][-1][1])}"
        for line in drawn
        if data[line.arm.digest]
    ]
    return f"{heading} by optimiser step. {'; '.join(ends)}."
