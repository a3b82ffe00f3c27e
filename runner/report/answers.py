"""The answers that arms gave to the test rows, read from their prediction files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.records import read_jsonl
from runner.report.scoreboard import Line

FALLBACKS = ("exact_match", "accuracy", "token_f1")
"""Row-wise scores that stand in where the primary one exists only for a whole split."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The prediction rows of one arm by id; empty with `missing` when its file is gone."""

    line: Line
    rows: Mapping[str, Mapping[str, Any]]
    missing: bool = False


def read_answers(shown: Sequence[Line]) -> list[Answers]:
    """The test predictions of every arm in `shown`."""
    return [_read(line) for line in shown]


def _read(line: Line) -> Answers:
    path = Path(line.arm.predictions.get("test", ""))
    if not path.is_file():
        return Answers(line, {}, missing=True)
    return Answers(line, {str(row["id"]): row for row in read_jsonl(path)})


def row_score(row: Mapping[str, Any], primary: str) -> float | None:
    """The row's own score by the primary metric or by the next best thing; None for rows
    without an answer and for metrics that have no row-wise form."""
    if row.get("error"):
        return None
    scores = row.get("scores") or {}
    for name in (primary, *FALLBACKS):
        value = scores.get(name)
        if isinstance(value, bool | int | float) and math.isfinite(value):
            return float(value)
    return None
