"""For classification: how well each label is found, arm by arm, hardest labels first.

The suite's classification metric leaves one table a label among the slices of a split,
``label=refund``, with ``f1``, ``precision`` and ``recall``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.report.scoreboard import Line
from runner.report.wording import MISSING, number
from runner.results import Score

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
class Label:
    """One label with every arm's scores, in the arms' order."""

    name: str
    rows: int
    found: list[LabelScore]


@dataclass(frozen=True, slots=True)
class Labels:
    """The table; `known` says how many labels were scored."""

    labels: list[Label]
    known: int


def is_label(name: str, scores: Mapping[str, Score]) -> bool:
    """Whether a slice is the classification metric's table of one label."""
    return name.startswith(PREFIX) and all(part in scores for part in PARTS)


def labels(shown: Sequence[Line]) -> Labels | None:
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
        Label(name.removeprefix(PREFIX), n, [_found(line, name) for line in shown])
        for name, n in rows.items()
    ]
    leader = max(range(len(shown)), key=lambda index: shown[index].role == "winner")
    table.sort(key=lambda label: (label.found[leader].value, label.name))
    return Labels(table[:MAX_LABELS], len(table))


def _found(line: Line, name: str) -> LabelScore:
    scores = line.arm.test.slices.get(name) if line.arm.test else None
    if not scores or not all(part in scores for part in PARTS):
        return LabelScore(MISSING, -1.0, MISSING, MISSING)
    values = [scores[part].value for part in PARTS]
    f1, precision, recall = (number(value, 2) for value in values)
    return LabelScore(f1, values[0] if math.isfinite(values[0]) else -1.0, precision, recall)
