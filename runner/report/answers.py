"""The answers that arms gave to the test rows, read from their prediction files in two passes:
first how every row came out, then whole rows for the few that are shown."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.records import ScoredRow, read_rows
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

    def rows(self, wanted: Collection[str]) -> dict[str, ScoredRow]:
        """The whole rows with these ids."""
        if self.outcomes is None:
            return {}
        return {row.id: row for row in read_rows(_file(self.line)) if row.id in wanted}


def read_answers(shown: Sequence[Line], primary: str) -> list[Answers]:
    """The outcomes of every arm in `shown`, by the primary metric or the next best thing."""
    return [Answers(line, _outcomes(line, primary)) for line in shown]


def _outcomes(line: Line, primary: str) -> dict[str, Outcome] | None:
    if not _file(line).is_file():
        return None
    return {
        row.id: Outcome(row_score(row, primary), hash(row.text.strip()))
        for row in read_rows(_file(line))
    }


def _file(line: Line) -> Path:
    return Path(line.arm.predictions.get("test", ""))


def row_score(row: ScoredRow, primary: str) -> float | None:
    """The row's own score by the primary metric or by the next best thing; None for rows
    without any text and for metrics that have no row-wise form."""
    name = row_metric(row, primary)
    return None if row.error or not name else float(row.scores[name])


def row_metric(row: ScoredRow, primary: str) -> str:
    """Which score stands for the row; empty where none is row-wise."""
    names = (
        name for name in (primary, *FALLBACKS) if math.isfinite(row.scores.get(name, math.nan))
    )
    return next(names, "")
