"""The answers that arms gave to the test rows, read from their prediction files in two passes:
first how every row came out, then whole rows for the few that are shown."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.records import read_jsonl
from runner.report.scoreboard import Line

FALLBACKS = ("exact_match", "accuracy", "token_f1")
"""Row-wise scores that stand in where the primary one exists only for a whole split."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one row came out. `score` is None for no answer and where no score is row-wise."""

    score: float | None
    text: int
    """Hash of the answer, to tell whether two are the same."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All outcomes of one arm by row id; None when its prediction file is gone."""

    line: Line
    outcomes: Mapping[str, Outcome] | None

    def rows(self, wanted: Collection[str]) -> dict[str, dict[str, Any]]:
        """The whole rows with these ids."""
        if self.outcomes is None:
            return {}
        rows = ((str(row.get("id", "")), row) for row in read_jsonl(_file(self.line)))
        return {key: row for key, row in rows if key in wanted}


def read_answers(shown: Sequence[Line], primary: str) -> list[Answers]:
    """The outcomes of every arm in `shown`, by the primary metric or the next best thing."""
    return [Answers(line, _outcomes(line, primary)) for line in shown]


def _outcomes(line: Line, primary: str) -> dict[str, Outcome] | None:
    if not _file(line).is_file():
        return None
    return {
        str(row.get("id", "")): Outcome(
            row_score(row, primary), hash(str(row.get("text", "")).strip())
        )
        for row in read_jsonl(_file(line))
    }


def _file(line: Line) -> Path:
    return Path(line.arm.predictions.get("test", ""))


def row_score(row: Mapping[str, Any], primary: str) -> float | None:
    """The row's own score by the primary metric or by the next best thing; None for rows
    without an answer and for metrics that have no row-wise form."""
    if row.get("error"):
        return None
    scores = row.get("scores") or {}
    for name in (primary, *FALLBACKS):
        value = scores.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None
