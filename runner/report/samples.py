"""Sample predictions side by side, rows on which the arms disagree first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.report.answers import Answers, row_score
from runner.report.scoreboard import LOWER_IS_BETTER, Line
from runner.report.wording import clip, number

MAX_SAMPLES = 60
MAX_PROMPT = 1500
MAX_ANSWER = 700


@dataclass(frozen=True, slots=True)
class Answer:
    """What one arm said; `mark` is ``right``, ``partly``, ``wrong``, ``error``, ``missing`` or
    ``unscored``."""

    arm: str
    css: str
    text: str
    mark: str
    score: str
    note: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One test row with everyone's answer to it."""

    id: str
    prompt: str
    target: str
    references: list[str]
    slices: dict[str, str]
    answers: list[Answer]
    disagree: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """`rows` are all test rows, `disagreeing` those on which the arms shown differ."""

    samples: list[Sample]
    rows: int
    disagreeing: int


@dataclass(frozen=True, slots=True)
class Scale:
    """What a row's score means: `best` is the value of a perfect answer."""

    best: float

    def mark(self, score: float | None) -> str:
        """``right``, ``partly``, ``wrong``, or ``unscored`` when there is no score."""
        if score is None:
            return "unscored"
        if score == self.best:
            return "right"
        return "wrong" if score == 0 else "partly"


def samples(found: Sequence[Answers], primary: str, looks: Mapping[str, str]) -> Samples | None:
    """None when no prediction file could be read."""
    ids = list(dict.fromkeys(key for answers in found for key in answers.outcomes or ()))
    if not ids:
        return None
    spread = {key: _spread(found, key) for key in ids}
    chosen = sorted(ids, key=lambda key: -spread[key])[:MAX_SAMPLES]
    wanted = frozenset(chosen)
    rows = [(answers.line, answers.rows(wanted)) for answers in found]
    scale = _scale(found, primary)
    shown = [_sample(rows, key, primary, looks, scale, spread[key] > 0) for key in chosen]
    return Samples(shown, len(ids), sum(value > 0 for value in spread.values()))


def _scale(found: Sequence[Answers], primary: str) -> Scale:
    if primary in LOWER_IS_BETTER:
        return Scale(best=0.0)
    outcomes = (item for answers in found for item in (answers.outcomes or {}).values())
    return Scale(best=100.0 if any((item.score or 0) > 1 for item in outcomes) else 1.0)


def _spread(found: Sequence[Answers], key: str) -> float:
    """How far apart the arms are on a row: of their scores, else 1 for different texts."""
    outcomes = [a.outcomes[key] for a in found if a.outcomes and key in a.outcomes]
    known = [item.score for item in outcomes if item.score is not None]
    if len(known) >= 2:
        return max(known) - min(known)
    return float(len({item.text for item in outcomes}) > 1)


Rows = Sequence[tuple[Line, Mapping[str, Mapping[str, Any]]]]
"""Every arm with the whole rows it is shown with."""


def _sample(
    rows: Rows,
    key: str,
    primary: str,
    looks: Mapping[str, str],
    scale: Scale,
    disagree: bool,
) -> Sample:
    row = next(mine[key] for _, mine in rows if key in mine)
    return Sample(
        id=key,
        prompt=clip(str(row.get("prompt", "")), MAX_PROMPT),
        target=clip(str(row.get("target", "")), MAX_ANSWER),
        references=[clip(str(text), MAX_ANSWER) for text in row.get("references") or ()],
        slices={str(name): str(value) for name, value in (row.get("slices") or {}).items()},
        answers=[
            _answer(line.arm.name, mine.get(key), primary, looks[line.arm.digest], scale)
            for line, mine in rows
        ],
        disagree=disagree,
    )


def _answer(
    name: str, row: Mapping[str, Any] | None, primary: str, css: str, scale: Scale
) -> Answer:
    if row is None:
        return Answer(name, css, "", "missing", "", "no answer recorded")
    if row.get("error"):
        return Answer(name, css, clip(str(row["error"]), MAX_ANSWER), "error", "", "no answer")
    score = row_score(row, primary)
    mark = scale.mark(score)
    return Answer(
        arm=name,
        css=css,
        text=clip(str(row.get("text", "")).strip(), MAX_ANSWER),
        mark=mark,
        score=number(score, 1 if scale.best > 1 else 3) if mark == "partly" else "",
        note=_note(row, mark),
    )


def _note(row: Mapping[str, Any], mark: str) -> str:
    """Why an answer is not right, where that can be told from its form."""
    text = str(row.get("text", ""))
    notes = [] if text.strip() else ["nothing but white space" if text else "empty answer"]
    if row.get("finish") == "length":
        notes.append("cut at the token limit")
    if mark != "right" and (target := _object(row.get("target"))):
        notes += [_json_note(target, row)] if text.strip() else []
    return "; ".join(filter(None, notes))


def _json_note(target: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Top-level fields of a JSON target that the answer has otherwise, or not at all."""
    answer = _object(row.get("extracted")) or _object(row.get("text"))
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
