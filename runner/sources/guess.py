"""Guessing an experiment from a user's own rows: which columns go in, which one is the answer,
what kind of task it is. A guess is written down with its reason, so that it can be corrected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Task = Literal["classification", "json_record", "qa", "generation"]

TARGET_NAMES = (
    "target label category class intent answer completion response output record summary"
    " highlights translation ref reference references gold sql tag sentiment title"
).split()
INPUT_NAMES = (
    "input text message question prompt instruction query document article body content source"
    " context passage sentence review utterance mr email mail ticket"
).split()
ID_NAMES = ("id", "uid", "uuid", "key", "row_id", "example_id", "idx", "index")
MOST_LABELS = 200
"""A column with more distinct values than this is not a set of labels."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What an experiment on these rows should look like."""

    kind: Literal["files", "gemini", "chat"]
    task: Task
    input: list[str] = field(default_factory=list)
    target: str = ""
    id: str = ""
    labels: list[str] = field(default_factory=list)
    """The distinct answers of a classification."""
    keys: list[str] = field(default_factory=list)
    """The keys of JSON answers."""
    repeated: bool = False
    """One input stands with several answers: they are references for each other."""
    answer_tokens: int = 64
    """Enough for the longest answer: two thirds of its characters."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Key of the experiment to why it was filled in that way."""


def guess(rows: Sequence[Mapping[str, Any]]) -> Guess:
    """Guess from some rows of the user's file. Raises ValueError when there are no rows."""
    if not rows:
        raise ValueError("no rows to look at")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if "contents" in columns:
        return Guess("gemini", "generation", reasons={"source": "rows have Gemini's `contents`"})
    if "messages" in columns:
        return Guess("chat", "generation", reasons={"source": "rows have chat `messages`"})
    values = {name: [row.get(name) for row in rows] for name in columns}
    key = _id(columns, values)
    target, why_target = _target([name for name in columns if name != key], values)
    inputs, why_inputs = _inputs(columns, target, key)
    task, why_task = _task(values[target])
    return Guess(
        "files",
        task,
        inputs,
        target,
        key,
        labels=sorted(_distinct(values[target])) if task == "classification" else [],
        keys=_keys(values[target]) if task == "json_record" else [],
        repeated=task in ("qa", "generation") and _repeated(rows, inputs, target),
        answer_tokens=_tokens(values[target]),
        reasons={"target": why_target, "input": why_inputs, "suite": why_task},
    )


def _id(columns: Sequence[str], values: Mapping[str, Sequence[Any]]) -> str:
    if len(columns) < 3:
        return ""  # question and answer come first
    for name in columns:
        texts = [str(value) for value in values[name]]
        if name.lower() in ID_NAMES and len(set(texts)) == len(texts):
            return name
    return ""


def _target(columns: Sequence[str], values: Mapping[str, Sequence[Any]]) -> tuple[str, str]:
    for wanted in TARGET_NAMES:
        for name in columns:
            if name.lower() == wanted:
                return name, "a usual name for the answer"
    structured = [name for name in columns if _share_json(values[name]) > 0.9]
    if structured:
        return structured[-1], "its values are JSON"
    labels = [name for name in columns if _is_labels(values[name])]
    if labels:
        return labels[-1], f"few distinct values ({len(_distinct(values[labels[-1]]))})"
    return columns[-1], "the last column"


def _inputs(columns: Sequence[str], target: str, key: str) -> tuple[list[str], str]:
    rest = [name for name in columns if name not in (target, key)]
    usual = [name for name in rest if name.lower() in INPUT_NAMES]
    if usual:
        return usual, "usual names for what goes in"
    return rest, "every column that is neither the answer nor a key"


def _task(targets: Sequence[Any]) -> tuple[Task, str]:
    if _share_json(targets) > 0.9:
        return "json_record", "answers are JSON objects"
    texts = [str(value) for value in targets if value not in (None, "")]
    distinct = len(_distinct(targets))
    if _is_labels(targets):
        return "classification", f"{distinct} distinct answers in {len(texts)} rows"
    words = sum(len(text.split()) for text in texts) / max(len(texts), 1)
    if words <= 6:
        return "qa", f"answers are short ({words:.1f} words)"
    return "generation", f"answers are free text ({words:.0f} words)"


def _is_labels(values: Sequence[Any]) -> bool:
    distinct = _distinct(values)
    long = any(len(text.split()) > 8 for text in distinct)
    return 2 <= len(distinct) <= min(MOST_LABELS, max(2, len(values) // 3)) and not long


def _repeated(rows: Sequence[Mapping[str, Any]], inputs: Sequence[str], target: str) -> bool:
    """Whether a tenth of the rows or more share their inputs with another answer's row."""
    answers: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        key = tuple(str(row.get(name)) for name in inputs)
        answers.setdefault(key, set()).add(str(row.get(target)))
    return sum(len(found) for found in answers.values() if len(found) > 1) >= len(rows) / 10


def _keys(targets: Sequence[Any]) -> list[str]:
    keys: dict[str, None] = {}
    for value in targets:
        if _is_object(value):
            found = value if isinstance(value, Mapping) else json.loads(value)
            keys.update(dict.fromkeys(map(str, found)))
    return list(keys)


def _tokens(targets: Sequence[Any]) -> int:
    longest = max((len(_text(value)) for value in targets), default=0)
    return max(8, longest * 2 // 3)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _distinct(values: Sequence[Any]) -> set[str]:
    return {str(value) for value in values if value not in (None, "")}


def _share_json(values: Sequence[Any]) -> float:
    """Share of the values that are JSON objects, as such or as text."""
    return sum(_is_object(value) for value in values) / len(values)


def _is_object(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    if not (isinstance(value, str) and value.lstrip().startswith("{")):
        return False
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False
