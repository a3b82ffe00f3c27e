"""Prompts of both sides in one form, and the file of those from production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from runner.base.errors import ConfigError, DataError, Problem, RowFault
from runner.base.text import plural
from runner.records import Example, Origin, Turn, parts_text

SYSTEM = ("system", "systemInstruction", "system_instruction")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt, rendered."""

    id: str
    text: str
    """All turns, one below the other."""
    system: str | None
    """None when it is not known, which is not the same as empty."""
    turns: int | None = None
    """None when it is not known: one text may hold several turns, written out."""
    label: str | None = None

    def example(self, with_system: bool) -> Example:
        """As an example without an answer, to count its tokens."""
        origin, system = Origin("production", 0), self.system if with_system else None
        return Example(self.id, (Turn("user", self.text),), "", origin, system or "")


def of_example(example: Example) -> Prompt:
    text = "\n".join(turn.text for turn in example.contents)
    return Prompt(example.id, text, example.system, len(example.contents), example.target)


def of_record(record: Mapping[str, Any]) -> Prompt:
    """A production row as a prompt. Raises ValueError(rule, message, field)."""
    inner = record.get("request")
    row = {**record, **inner} if isinstance(inner, Mapping) else record
    system = next((_system(row[key], key) for key in SYSTEM if row.get(key) is not None), None)
    written = isinstance(row.get("text"), str)
    if written:
        turns = [row["text"]]
    elif "contents" in row:
        contents = _entries(row["contents"], "contents")
        turns = _asked([(str(item.get("role")), _gemini(item)) for item in contents])
    elif "messages" in row:
        system, turns = _chat(_entries(row["messages"], "messages"), system)
    else:
        there = ", ".join(map(str, row)) or "nothing"
        raise ValueError("missing_column", f"no text, contents or messages; it has: {there}", "")
    text = "\n".join(turns)
    if not text.strip():
        raise ValueError("empty_input", "the prompt is empty", "")
    label = row.get("label", row.get("target"))
    known = str(row["id"]) if row.get("id") is not None else ""
    count = None if written else len(turns)
    return Prompt(known, text, system, count, None if label is None else str(label))


def read_file(path: Path) -> list[dict[str, Any]]:
    """The rows of the file, each of them a prompt; see `read_production`."""
    if not path.is_file():
        raise ConfigError([Problem("skew.production", f"no such file: {path}")])
    rows, faults = [], []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
                of_record(_object(record))
                rows.append(record)
            except orjson.JSONDecodeError as error:
                faults.append(RowFault(str(path), number, "bad_json", str(error)))
            except ValueError as error:
                faults.append(RowFault(str(path), number, *error.args))
    if faults:
        raise DataError(f"skew.production: no prompt in {plural(len(faults), 'row')}", faults)
    if not rows:
        raise DataError(f"skew.production: {path} has no rows")
    return rows


def _object(record: Any) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise ValueError("not_object", "one JSON object a line is expected", "")
    return record


def _entries(value: Any, key: str) -> Sequence[Mapping[str, Any]]:
    """A list of objects; one text, or one object, is a list of one."""
    if isinstance(value, str):
        return [{"parts": [{"text": value}], "content": value}]
    found = [value] if isinstance(value, Mapping) else value
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ValueError("bad_contents", "a list of objects is expected", key)
    return found


def _gemini(content: Mapping[str, Any]) -> str:
    parts = content.get("parts", [])
    parts = [parts] if isinstance(parts, Mapping) else parts
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise ValueError("bad_contents", "parts is a list of objects", "contents")
    if any(not isinstance(part.get("text", ""), str) for part in parts):
        raise ValueError("bad_contents", "text is a string", "contents")
    return parts_text(parts)


def _chat(
    messages: Sequence[Mapping[str, Any]], system: str | None
) -> tuple[str | None, list[str]]:
    """The system instruction and the turns that ask."""
    turns: list[tuple[str, str]] = []
    for message in messages:
        content = message.get("content")
        text = content if isinstance(content, str) else _gemini({"parts": content or []})
        if message.get("role") in ("system", "developer"):
            system = text
        else:
            turns.append((str(message.get("role")), text))
    # Chat rows say all that was sent: no system message means there was none.
    return system or "", _asked(turns)


def _asked(turns: list[tuple[str, str]]) -> list[str]:
    """The texts up to the last turn that is not the model's: its answer is no prompt, and the
    tuning side does not count it either."""
    while turns and turns[-1][0] in ("assistant", "model"):
        turns.pop()
    return [text for _, text in turns]


def _system(value: Any, key: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _gemini(value)
    raise ValueError("bad_contents", "text, or an object with parts, is expected", key)
