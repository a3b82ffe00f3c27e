"""The primary score on the slices of the test split, arm by arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.base.text import plural
from runner.records import UNKNOWN, Scale
from runner.records.results import Score
from runner.report.charts import ChartEntry, ChartLine, ruler, scale, track
from runner.report.format import MISSING, decimals, interval, number
from runner.report.scoreboard import ScoreboardLine

MAX_SLICES = 12


@dataclass(frozen=True, slots=True)
class SliceScores:
    """One slice with a line for every arm shown."""

    name: str
    rows: str
    tracks: list[ChartLine]


@dataclass(frozen=True, slots=True)
class Slices:
    """The picture; `known` says how many slices there are in all."""

    slices: list[SliceScores]
    ruler: Markup
    known: int


def slices(
    shown: Sequence[ScoreboardLine], primary: str, looks: Mapping[str, str], places: int
) -> Slices | None:
    """The largest slices; None when the suite has none."""
    sizes = _sizes(shown, primary)
    if not sizes:
        return None
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_SLICES]
    names = [name for name in sizes if name in largest]
    entries = {
        name: [
            ChartEntry(
                line.arm.name,
                looks[line.arm.digest],
                _score(line, name, primary),
                "winner" if line.role == "winner" else "",
            )
            for line in shown
        ]
        for name in names
    }
    axis = scale([entry for listed in entries.values() for entry in listed])
    found = [
        SliceScores(
            name,
            plural(sizes[name], "row"),
            [track(entry, axis, places, None) for entry in entries[name]],
        )
        for name in names
    ]
    return Slices(found, ruler(axis), len(sizes))


def _score(line: ScoreboardLine, name: str, primary: str) -> Score | None:
    found = line.arm.test.slices.get(name, {}).get(primary) if line.arm.test else None
    return found if found and math.isfinite(found.value) else None


def _sizes(shown: Sequence[ScoreboardLine], primary: str) -> dict[str, int]:
    """Slice to its rows (the most that any arm answered), in order of appearance."""
    sizes: dict[str, int] = {}
    for line in shown:
        for name, scores in (line.arm.test.slices if line.arm.test else {}).items():
            # Labels of a classification have a table of their own.
            if primary in scores and not is_label(name, scores):
                sizes[name] = max(sizes.get(name, 0), scores[primary].n)
    return sizes


# For classification: how well each label is found, arm by arm, hardest labels first.
#
# The suite's classification metric leaves one table a label among the slices of a split,
# ``label=refund``, with ``f1``, ``precision`` and ``recall``.

PREFIX = "label="
PARTS = ("f1", "precision", "recall")
MAX_LABELS = 100


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One arm on one label; dashes where a score is not defined."""

    f1: str
    value: float
    precision: str
    recall: str


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One label with every arm's scores, in the arms' order."""

    name: str
    rows: int
    found: list[LabelScore]


@dataclass(frozen=True, slots=True)
class Labels:
    """The table; `known` says how many labels were scored."""

    labels: list[LabelRow]
    known: int


def is_label(name: str, scores: Mapping[str, Score]) -> bool:
    """Whether a slice is the classification metric's table of one label."""
    return name.startswith(PREFIX) and all(part in scores for part in PARTS)


def labels(shown: Sequence[ScoreboardLine]) -> Labels | None:
    """None when the suite does not classify. The first arm in `shown` that won, or else the
    first one, decides what is hard."""
    rows: dict[str, int] = {}
    for line in shown:
        for name, scores in (line.arm.test.slices if line.arm.test else {}).items():
            if is_label(name, scores):
                rows[name] = max(rows.get(name, 0), scores["f1"].n)
    if not rows:
        return None
    table = [
        LabelRow(name.removeprefix(PREFIX), n, [_found(line, name) for line in shown])
        for name, n in rows.items()
    ]
    leader = max(range(len(shown)), key=lambda index: shown[index].role == "winner")
    table.sort(key=lambda label: (label.found[leader].value, label.name))
    return Labels(table[:MAX_LABELS], len(table))


def _found(line: ScoreboardLine, name: str) -> LabelScore:
    scores = line.arm.test.slices.get(name) if line.arm.test else None
    if not scores or not all(part in scores for part in PARTS):
        return LabelScore(MISSING, -1.0, MISSING, MISSING)
    values = [scores[part].value for part in PARTS]
    f1, precision, recall = (number(value, 2) for value in values)
    return LabelScore(f1, values[0] if math.isfinite(values[0]) else -1.0, precision, recall)


# All scores of the test split, metric by arm, and the fields of JSON answers apart.

FIELD = "json_field/"
"""Scores of single fields of a JSON answer are named so."""


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """One arm's score: `width` is its share of the full bar in per cent, `best` in its row,
    `title` what the interval rests on."""

    text: str
    interval: str
    width: float
    best: bool
    title: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table; `lower` where a lower value is better."""

    name: str
    primary: bool
    signature: str
    lower: bool
    cells: list[ScoreCell]


def metrics(shown: Sequence[ScoreboardLine], primary: str, *, fields: bool) -> list[Metric]:
    """The scores that are (or are not) of JSON fields; empty when there are none."""
    names = dict.fromkeys(name for line in shown if line.arm.test for name in line.arm.test.overall)
    wanted = [name for name in names if name.startswith(FIELD) == fields]
    wanted.sort(key=lambda name: name != primary)
    return [_metric(shown, name, primary) for name in wanted]


def _metric(shown: Sequence[ScoreboardLine], name: str, primary: str) -> Metric:
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


def _cell(
    score: Score | None, places: int, ends: tuple[float, float], top: float | None
) -> ScoreCell:
    if score is None or not math.isfinite(score.value):
        return ScoreCell(number(None), "", 0.0, best=False)
    return ScoreCell(
        text=number(score.value, places),
        interval=interval(score.low, score.high, places),
        width=max(0.0, min(100.0, 100 * (score.value - ends[0]) / (ends[1] - ends[0]))),
        best=score.value == top,
        title=score.basis,
    )
