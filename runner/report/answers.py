"""The answers that arms gave to the test rows, read from their prediction files in two passes:
first how every row came out, then whole rows for the few that are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.evaluation import STAND_INS
from runner.records import UNKNOWN, ScoredRow, read_rows
from runner.report.format import clip, number
from runner.report.scoreboard import ScoreboardLine


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """How one row came out. `score` is None for no answer and where no score is row-wise."""

    score: float | None
    text: int
    """Hash of the answer, to tell whether two are the same."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All outcomes of one arm by row id; None when its prediction file is gone."""

    line: ScoreboardLine
    outcomes: Mapping[str, RowOutcome] | None

    def rows(self, wanted: Collection[str]) -> dict[str, ScoredRow]:
        """The whole rows with these ids."""
        if self.outcomes is None:
            return {}
        return {row.id: row for row in read_rows(_file(self.line)) if row.id in wanted}


def read_answers(shown: Sequence[ScoreboardLine], primary: str) -> list[Answers]:
    """The outcomes of every arm in `shown`, by the primary metric or the next best thing."""
    return [Answers(line, _outcomes(line, primary)) for line in shown]


def _outcomes(line: ScoreboardLine, primary: str) -> dict[str, RowOutcome] | None:
    if not _file(line).is_file():
        return None
    return {
        row.id: RowOutcome(row_score(row, primary), hash(row.text.strip()))
        for row in read_rows(_file(line))
    }


def _file(line: ScoreboardLine) -> Path:
    return Path(line.arm.predictions.get("test", ""))


def row_score(row: ScoredRow, primary: str) -> float | None:
    """The row's own score by the primary metric or by the next best thing; None for rows
    without any text and for metrics that have no row-wise form."""
    name = row_metric(row, primary)
    return None if row.error or not name else float(row.scores[name])


def row_metric(row: ScoredRow, primary: str) -> str:
    """Which score stands for the row; empty where none is row-wise."""
    names = (
        name for name in (primary, *STAND_INS) if math.isfinite(row.scores.get(name, math.nan))
    )
    return next(names, "")


# Sample predictions side by side, rows on which the arms disagree first.

MAX_SAMPLES = 60
MAX_PROMPT = 1500
MAX_ANSWER = 700


@dataclass(frozen=True, slots=True)
class ArmAnswer:
    """What one arm said; `mark` is ``right``, ``partly``, ``wrong``, ``error``, ``missing`` or
    ``unscored``."""

    arm: str
    css: str
    text: str
    mark: str
    score: str
    note: str


@dataclass(frozen=True, slots=True)
class AnswerSample:
    """One test row with everyone's answer to it."""

    id: str
    prompt: str
    target: str
    references: list[str]
    slices: dict[str, str]
    answers: list[ArmAnswer]
    disagree: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """`rows` are all test rows, `disagreeing` those on which the arms shown differ."""

    samples: list[AnswerSample]
    rows: int
    disagreeing: int


@dataclass(frozen=True, slots=True)
class ScoreMarks:
    """What a row's score means: `best` and `worst` are the values of a perfect answer and of the
    worst one, None where there is no such value."""

    best: float | None
    worst: float | None
    places: int

    def mark(self, score: float | None) -> str:
        """``right``, ``partly``, ``wrong``, or ``unscored`` when there is no score."""
        if score is None:
            return "unscored"
        if score == self.best:
            return "right"
        return "wrong" if score == self.worst else "partly"


Rows = Sequence[tuple[ScoreboardLine, Mapping[str, ScoredRow]]]
"""Every arm with the whole rows it is shown with."""


def samples(found: Sequence[Answers], primary: str, looks: Mapping[str, str]) -> Samples | None:
    """None when no prediction file could be read."""
    ids = list(dict.fromkeys(key for answers in found for key in answers.outcomes or ()))
    if not ids:
        return None
    spread = {key: _spread(found, key) for key in ids}
    chosen = sorted(ids, key=lambda key: -spread[key])[:MAX_SAMPLES]
    wanted = frozenset(chosen)
    rows = [(answers.line, answers.rows(wanted)) for answers in found]
    scale = _marks(found, rows, primary)
    shown = [_sample(rows, key, primary, looks, scale, spread[key] > 0) for key in chosen]
    return Samples(shown, len(ids), sum(value > 0 for value in spread.values()))


def _marks(found: Sequence[Answers], rows: Rows, primary: str) -> ScoreMarks:
    """By the scale of the score that stands for the rows. Where its metric does not say, scores
    above 1 are out of 100."""
    named = (row_metric(row, primary) for _, mine in rows for row in mine.values())
    name = next(filter(None, named), "")
    tests = (line.arm.test.overall for line, _ in rows if line.arm.test)
    scale = next((scores[name].scale for scores in tests if name in scores), UNKNOWN)
    if scale != UNKNOWN:
        return ScoreMarks(scale.best, scale.worst, scale.places())
    outcomes = (item for answers in found for item in (answers.outcomes or {}).values())
    high = any((item.score or 0) > 1 for item in outcomes)
    return ScoreMarks(100.0, 0.0, 1) if high else ScoreMarks(1.0, 0.0, 3)


def _spread(found: Sequence[Answers], key: str) -> float:
    """How far apart the arms are on a row: of their scores, else 1 for different texts."""
    outcomes = [a.outcomes[key] for a in found if a.outcomes and key in a.outcomes]
    known = [item.score for item in outcomes if item.score is not None]
    if len(known) >= 2:
        return max(known) - min(known)
    return float(len({item.text for item in outcomes}) > 1)


def _sample(
    rows: Rows,
    key: str,
    primary: str,
    looks: Mapping[str, str],
    scale: ScoreMarks,
    disagree: bool,
) -> AnswerSample:
    row = next(mine[key] for _, mine in rows if key in mine)
    return AnswerSample(
        id=key,
        prompt=clip(row.prompt, MAX_PROMPT),
        target=clip(row.target, MAX_ANSWER),
        references=[clip(text, MAX_ANSWER) for text in row.references],
        slices=dict(row.slices),
        answers=[
            _answer(line.arm.name, mine.get(key), primary, looks[line.arm.digest], scale)
            for line, mine in rows
        ],
        disagree=disagree,
    )


def _answer(
    name: str, row: ScoredRow | None, primary: str, css: str, scale: ScoreMarks
) -> ArmAnswer:
    if row is None:
        return ArmAnswer(name, css, "", "missing", "", "no answer recorded")
    if row.error:
        return ArmAnswer(name, css, clip(row.error, MAX_ANSWER), "error", "", "no answer")
    score = row_score(row, primary)
    mark = scale.mark(score)
    return ArmAnswer(
        arm=name,
        css=css,
        text=clip(row.text.strip(), MAX_ANSWER),
        mark=mark,
        score=number(score, scale.places) if mark == "partly" else "",
        note=_note(row, mark),
    )


def _note(row: ScoredRow, mark: str) -> str:
    """Why an answer is not right, where that can be told from its form."""
    text = row.text
    notes = [] if text.strip() else ["nothing but white space" if text else "empty answer"]
    if row.finish == "length":
        loops = "repeats itself up to" if row.unanswered == "looping" else "cut at"
        notes.append(f"{loops} the token limit")
    if mark != "right" and (target := _object(row.target)):
        notes += [_json_note(target, row)] if text.strip() else []
    return "; ".join(filter(None, notes))


def _json_note(target: Mapping[str, Any], row: ScoredRow) -> str:
    """Top-level fields of a JSON target that the answer has otherwise, or not at all."""
    answer = _object(row.extracted) or _object(row.text)
    if answer is None:
        return "not a JSON object"
    wrong = [str(key) for key in target if answer.get(key) != target[key]]
    return f"differs in {', '.join(wrong[:6])}" if wrong else ""


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
