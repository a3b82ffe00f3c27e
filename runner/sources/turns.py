"""Rows that arrive as turns: Gemini's tuning format and chat messages, text only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.config import ChatSource, GeminiSource
from runner.errors import RowFault
from runner.records import FaultLog, Origin, Row, Turn
from runner.sources.locate import InputFile
from runner.sources.record import Record
from runner.sources.rows import made_up_id

Conversation = tuple[str, list[Turn]]
"""System instruction and turns, the answer last."""

CHAT_ROLES = {"user": "user", "human": "user", "assistant": "model", "model": "model"}
SYSTEM_ROLES = ("system", "developer")


class BadTurns(Exception):
    """A row that is no conversation: rule, message and the place in the row."""


def turn_rows(
    source: GeminiSource | ChatSource,
    split: str,
    file: InputFile,
    records: Iterator[Record],
    faults: FaultLog,
) -> Iterator[Row]:
    """Yield a row per good record: system instruction, history and the last answer as target."""
    read: Callable[[Mapping[str, Any]], Conversation] = (
        gemini_turns
        if isinstance(source, GeminiSource)
        else lambda record: chat_turns(record, source.messages)
    )
    for line, record in records:
        try:
            system, turns = read(record)
            _check_order(turns)
        except BadTurns as error:
            rule, message, place = error.args
            faults.bad(RowFault(file.path, line, rule, message, place))
            continue
        yield Row(
            made_up_id(split, file.number, line),
            {},
            turns[-1].text,
            Origin(file.path, line),
            system=system,
            history=tuple(turns[:-1]),
        )


def gemini_turns(record: Mapping[str, Any]) -> Conversation:
    """The turns of a row in Gemini's form. Raises BadTurns."""
    if "contents" not in record:
        hint = "; rows with `messages` are read by source.kind: chat" * ("messages" in record)
        raise BadTurns("missing_column", f"the row has no 'contents'{hint}", "contents")
    contents = _list(record["contents"], "contents")
    turns = []
    for at, content in enumerate(contents):
        place = f"contents[{at}]"
        if not isinstance(content, Mapping) or content.get("role") not in ("user", "model"):
            raise BadTurns("bad_role", "each turn has a role, user or model", place)
        turns.append(Turn(content["role"], _parts(content.get("parts"), f"{place}.parts")))
    return _system(record.get("systemInstruction", record.get("system_instruction"))), turns


def chat_turns(record: Mapping[str, Any], key: str) -> Conversation:
    """The turns of a row with chat messages. Raises BadTurns."""
    if key not in record:
        there = ", ".join(record) or "nothing"
        raise BadTurns("missing_column", f"the row has no {key!r}; it has: {there}", key)
    system: list[str] = []
    turns: list[Turn] = []
    for at, message in enumerate(_list(record[key], key)):
        place = f"{key}[{at}]"
        role = str(message.get("role")) if isinstance(message, Mapping) else ""
        if role in SYSTEM_ROLES and not turns:
            system.append(_content(message, place))
        elif role in CHAT_ROLES:
            turns.append(Turn(CHAT_ROLES[role], _content(message, place)))  # type: ignore[arg-type]
        else:
            rule = "a system message comes first" if role in SYSTEM_ROLES else "no such role here"
            raise BadTurns("bad_role", f"{role!r}: {rule}; user and assistant take turns", place)
    return "\n\n".join(system), turns


def _system(value: Any) -> str:
    """The text of a system instruction; empty when there is none. Its role means nothing."""
    if not value:
        return ""
    if not isinstance(value, Mapping):
        raise BadTurns("bad_turns", "an object with parts is expected", "systemInstruction")
    return _parts(value.get("parts"), "systemInstruction.parts")


def _content(message: Mapping[str, Any], place: str) -> str:
    """A message's text: a string, or a list of parts of type text."""
    if message.get("tool_calls") or message.get("function_call"):
        raise BadTurns("unsupported_part", "tool calls cannot be tuned from chat rows", place)
    content = message.get("content")
    return content if isinstance(content, str) else _parts(content, f"{place}.content")


def _parts(parts: Any, place: str) -> str:
    """The text of a list of parts. Raises BadTurns for anything that is not text."""
    texts = []
    for at, part in enumerate(_list(parts, place)):
        text = part.get("text") if isinstance(part, Mapping) else None
        if not isinstance(text, str):
            what = ", ".join(part) if isinstance(part, Mapping) else type(part).__name__
            message = f"only text can be read so far, not {what or 'nothing'}"
            raise BadTurns("unsupported_part", message, f"{place}[{at}]")
        texts.append(text)
    return "".join(texts)


def _list(value: Any, place: str) -> Sequence[Any]:
    if not isinstance(value, list) or not value:
        raise BadTurns("bad_turns", "a list with at least one entry is expected", place)
    return value


def _check_order(turns: Sequence[Turn]) -> None:
    """User and model take turns, the user begins and the model has the last word."""
    for at, turn in enumerate(turns):
        expected = "model" if at % 2 else "user"
        if turn.role != expected:
            place = f"turn {at + 1}"
            raise BadTurns("bad_order", f"{turn.role} where {expected} is expected", place)
    if len(turns) % 2 or not turns:
        raise BadTurns("bad_order", "the last turn has to be the model's answer", "")
    if not turns[-1].text.strip():
        raise BadTurns("empty_target", "there is no answer", "")
    if not turns[-2].text.strip():
        raise BadTurns("empty_input", "the last user turn is empty", "")
