"""All scores of the test split, metric by arm, and the fields of JSON answers apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.records import UNKNOWN, Scale
from runner.report.scoreboard import Line
from runner.report.wording import decimals, interval, number
from runner.results import Score

FIELD = "json_field/"
"""Scores of single fields of a JSON answer are named so."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm's score: `width` is its share of the full bar in per cent, `best` in its row."""

    text: str
    interval: str
    width: float
    best: bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table; `lower` where a lower value is better."""

    name: str
    primary: bool
    signature: str
    lower: bool
    cells: list[Cell]


def metrics(shown: Sequence[Line], primary: str, *, fields: bool) -> list[Metric]:
    """The scores that are (or are not) of JSON fields; empty when there are none."""
    names = dict.fromkeys(name for line in shown if line.arm.test for name in line.arm.test.overall)
    wanted = [name for name in names if name.startswith(FIELD) == fields]
    wanted.sort(key=lambda name: name != primary)
    return [_metric(shown, name, primary) for name in wanted]


def _metric(shown: Sequence[Line], name: str, primary: str) -> Metric:
    scores = [line.arm.test.overall.get(name) if line.arm.test else None for line in shown]
    defined = [score for score in scores if score and math.isfinite(score.value)]
    known = [score.value for score in defined]
    scale = defined[0].scale if defined else UNKNOWN
    top = max(known, key=scale.gain, default=0.0)
    places = decimals(defined)
    return Metric(
        name=name.removeprefix(FIELD),
        primary=name == primary,
        signature=next((score.signature for score in scores if score and score.signature), ""),
        lower=not scale.higher_is_better,
        # Nothing is best where all are equal.
        cells=[
            _cell(score, places, _ends(scale, known), top if len(set(known)) > 1 else None)
            for score in scores
        ],
    )


def _ends(scale: Scale, values: Sequence[float]) -> tuple[float, float]:
    """The values of an empty and of a full bar: the metric's bounds, else 0 (or the smallest
    value) and 1 (or the largest one)."""
    low = min([0.0, *values]) if scale.lowest is None else scale.lowest
    high = max([1.0, *values]) if scale.highest is None else scale.highest
    return (low, high) if low < high else (low, low + 1)


def _cell(score: Score | None, places: int, ends: tuple[float, float], top: float | None) -> Cell:
    if score is None or not math.isfinite(score.value):
        return Cell(number(None), "", 0.0, best=False)
    return Cell(
        text=number(score.value, places),
        interval=interval(score.low, score.high, places),
        width=max(0.0, min(100.0, 100 * (score.value - ends[0]) / (ends[1] - ends[0]))),
        best=score.value == top,
    )
