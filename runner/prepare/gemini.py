"""Offline judge of a Gemini tuning file, line by line, with the cure for the usual mistakes.

The rules are those of Vertex AI's page on preparing supervised tuning data and of the
`GenerateContentRequest` the rows are made of: one JSON object a line, an optional text-only
`systemInstruction`, `contents` of turns whose roles alternate from user to a last model turn, each
part exactly one kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from runner.errors import RowFault
from runner.prepare.tokens import estimate

LARGEST_FILE = 1_000_000_000
"""Bytes of a training file (Vertex: 1 GB)."""
MOST_ROWS = 10_000_000
"""Text rows of a training file."""

ROW_KEYS = {"systemInstruction", "system_instruction", "contents", "tools", "toolConfig"}
ROW_KEYS |= {"tool_config", "generationConfig", "generation_config"}
OTHER_FORMATS = {"messages", "input_text", "output_text", "prompt", "completion"}
PART_KINDS = {"text", "fileData", "functionCall", "functionResponse", "inlineData"}
PART_EXTRAS = {"videoMetadata", "mediaResolution"}
SNAKE = {
    "file_data": "fileData",
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "inline_data": "inlineData",
    "video_metadata": "videoMetadata",
    "media_resolution": "mediaResolution",
}
CURLY = "“”„‟«»"

Finding = tuple[str, str, str]
"""Rule, message, JSON path within the row."""


def validate_file(path: Path, max_tokens: int) -> list[RowFault]:
    """All faults of a file, in line order."""
    faults = []
    name = str(path)
    if path.stat().st_size > LARGEST_FILE:
        size = f"{path.stat().st_size:,} bytes, more than the {LARGEST_FILE:,} Vertex takes"
        faults.append(RowFault(name, 1, "file_too_large", size))
    number = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            found = _judge_line(line, max_tokens)
            faults.extend(RowFault(name, number, rule, text, at) for rule, text, at in found)
    if number > MOST_ROWS:
        faults.append(RowFault(name, number, "too_many_rows", f"more than {MOST_ROWS:,} rows"))
    return faults


def _judge_line(line: bytes, max_tokens: int) -> Iterator[Finding]:
    if not line.strip():
        yield "blank_line", "the line is empty; every line is one row", ""
        return
    if line.startswith(b"\xef\xbb\xbf"):
        yield "byte_order_mark", "the file begins with a byte-order mark; write it without", ""
        line = line[3:]
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        yield _not_json(line, error)
        return
    if not isinstance(row, dict):
        yield "not_object", "each line is one JSON object", ""
        return
    found = list(_judge_row(row))
    yield from found
    if not found:
        yield from _length(row, max_tokens)


def _not_json(line: bytes, error: json.JSONDecodeError) -> Finding:
    try:
        text = line.decode()
    except UnicodeDecodeError as fault:
        return "bad_encoding", f"byte 0x{line[fault.start]:02X} is not UTF-8", ""
    if text[error.pos : error.pos + 1] in tuple(CURLY):
        return "curly_quotes", 'JSON takes straight quotes ("), not typographic ones (“ ”)', ""
    if text.strip() in ("{", "[", "}", "]", "},", "],") or not text.rstrip().endswith("}"):
        message = f"{error.msg} at character {error.pos + 1}; one row has to stand on one line"
        return "bad_json", message, ""
    return "bad_json", f"{error.msg} at character {error.pos + 1}", ""


def _judge_row(row: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _keys(row)
    system = row.get("systemInstruction", row.get("system_instruction"))
    if system is not None:
        yield from _system(system)
    if "contents" not in row:
        return
    contents = row["contents"]
    if not isinstance(contents, list) or not contents:
        yield "bad_contents", "contents is a list with at least a user and a model turn", "contents"
        return
    for at, content in enumerate(contents):
        yield from _content(content, f"contents[{at}]")
    yield from _order(contents)


def _keys(row: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys of the row: the missing one, the ones of other formats, the unknown ones."""
    if "contents" not in row:
        cures = {
            "messages": "`messages` is the chat format: rename it to `contents`, `assistant` to "
            "`model`, and every `content` string to `parts`: [{`text`: ...}]",
            "input_text": "`input_text`/`output_text` is an older format: make them a user and a "
            "model turn of `contents`",
            "prompt": "`prompt`/`completion` is another format: make them a user and a model turn "
            "of `contents`",
        }
        cure = next((cure for key, cure in cures.items() if key in row), "the row has no contents")
        yield "missing_contents", cure, "contents"
    for key in row:
        if key not in ROW_KEYS | OTHER_FORMATS:
            yield "unsupported_key", f"{key!r} is not part of a tuning row", key


def _system(system: Any) -> Iterator[Finding]:
    path = "systemInstruction"
    if not isinstance(system, dict):
        yield "bad_system", "an object with parts: {`parts`: [{`text`: ...}]}", path
        return
    for at, part in enumerate(_parts(system)):
        if isinstance(part, dict) and set(part) & (PART_KINDS | set(SNAKE)) - {"text"}:
            yield "system_not_text", "the system instruction takes text only", f"{path}.parts[{at}]"
    yield from _judge_parts(system, path)


def _content(content: Any, path: str) -> Iterator[Finding]:
    if not isinstance(content, dict):
        yield "bad_turn", "a turn is an object with role and parts", path
        return
    role = content.get("role")
    response = any(isinstance(p, dict) and "functionResponse" in p for p in _parts(content))
    if role == "assistant":
        yield "bad_role", "Gemini says `model`, not `assistant`", f"{path}.role"
    elif role == "system":
        yield "bad_role", "a system text goes into `systemInstruction`", f"{path}.role"
    elif role not in ("user", "model") and not response:
        yield "bad_role", f"the role is `user` or `model`, not {role!r}", f"{path}.role"
    yield from _judge_parts(content, path)
    for key in content:
        if key not in ("role", "parts", "content"):
            what = "per-turn weights do not exist for Gemini" if key == "weight" else "unknown key"
            yield "unsupported_key", what, f"{path}.{key}"


def _parts(content: Mapping[str, Any]) -> list[Any]:
    parts = content.get("parts")
    return parts if isinstance(parts, list) else []


def _judge_parts(content: Mapping[str, Any], path: str) -> Iterator[Finding]:
    parts = content.get("parts")
    if "content" in content:
        yield "content_string", "`content` is `parts` here: [{`text`: ...}]", f"{path}.content"
    elif not isinstance(parts, list) or not parts:
        message = "parts is a list: [{`text`: ...}]"
        yield "bad_parts", message, f"{path}.parts"
    for at, part in enumerate(_parts(content)):
        yield from _part(part, f"{path}.parts[{at}]")


def _part(part: Any, path: str) -> Iterator[Finding]:
    if not isinstance(part, dict):
        yield "bad_part", "a part is an object such as {`text`: ...}", path
        return
    kinds = {str(SNAKE.get(key, key)) for key in part} & PART_KINDS
    if len(kinds) != 1:
        which = ", ".join(sorted(kinds)) or "none"
        yield "part_kinds", f"a part holds exactly one kind of data, this one: {which}", path
    if "thought" in part or "thoughtSignature" in part:
        yield "thought", "supervised tuning leaves thoughts out; remove them", path
    for key in part:
        if SNAKE.get(key, key) not in PART_KINDS | PART_EXTRAS | {"thought", "thoughtSignature"}:
            yield "unsupported_key", "unknown key of a part", f"{path}.{key}"
    if "text" in part and not (isinstance(part["text"], str) and part["text"].strip()):
        yield "empty_text", "the text is empty", f"{path}.text"


def _order(contents: list[Any]) -> Iterator[Finding]:
    """User first, turns alternating, the model's answer last. Turns without a role of their own
    (function responses) stand for the user."""
    roles = [_role(content) for content in contents]
    if roles[0] != "user":
        yield "first_turn", "the first turn is the user's", "contents[0].role"
    for at in range(1, len(roles)):
        if roles[at] == roles[at - 1]:
            message = f"two {roles[at]} turns in a row; roles alternate"
            yield "consecutive_turns", message, f"contents[{at}].role"
    if roles[-1] != "model":
        message = "the last turn is the model's: the answer to learn"
        yield "last_turn", message, f"contents[{len(roles) - 1}].role"


def _role(content: Any) -> str:
    role = content.get("role") if isinstance(content, dict) else None
    return "model" if role in ("model", "assistant") else "user"


def _length(row: Mapping[str, Any], max_tokens: int) -> Iterator[Finding]:
    """Rows that are too long by the lowest estimate: Vertex drops them without a word."""
    system = row.get("systemInstruction", row.get("system_instruction")) or {}
    every = [part for content in (system, *row["contents"]) for part in _parts(content)]
    tokens = sum(estimate(part["text"])[0] for part in every if "text" in part)
    if tokens > max_tokens:
        message = f"at least {tokens:,} tokens, more than the model's {max_tokens:,}"
        yield "too_long", message, ""
