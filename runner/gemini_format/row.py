"""One row of a Gemini tuning file: its keys, its turns, their order.

The rules are those of Vertex AI's pages on tuning data and of the `GenerateContentRequest` that
rows are made of: an optional text-only `systemInstruction`, `contents` of turns whose roles
alternate from user to a last model turn, each part exactly one kind; for preference tuning two
scored `completions` in the place of the last turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from runner.gemini_format.parts import validate_functions, validate_part
from runner.gemini_format.shapes import Fault, camel, join, named, twice, validate_shape

SUPERVISED = {"systemInstruction", "contents", "tools", "toolConfig", "generationConfig"}
PREFERENCE = {"systemInstruction", "contents", "completions"}
NO_PLACE = {
    "cachedContent": "cached content cannot be tuned on: put its text into the row",
    "labels": "rows have no labels; those of the job are backend.labels",
    "model": "the model is chosen for the job, not for a row",
    "safetySettings": "safety settings have no place in a tuning row",
}
CURES = {
    "messages": "`messages` is the chat format: rename it to `contents`, `assistant` to "
    "`model`, and every `content` string to `parts`: [{`text`: ...}]",
    "input_text": "`input_text`/`output_text` is an older format: make them a user and a "
    "model turn of `contents`",
    "output_text": "`input_text`/`output_text` is an older format: make them a user and a "
    "model turn of `contents`",
    "prompt": "`prompt`/`completion` is another format: make them a user and a model turn "
    "of `contents`",
    "completion": "`prompt`/`completion` is another format: make them a user and a model turn "
    "of `contents`",
}


def validate_row(row: dict[str, Any], *, calls: bool = True) -> Iterator[Fault]:
    """Everything that is wrong with a row by itself; without `calls` the row holds no function
    calls for sure."""
    yield from twice(row, "")
    keys = named(row)
    preference = "completions" in keys
    yield from _keys(row, PREFERENCE if preference else SUPERVISED)
    if keys.get("systemInstruction") is not None:
        yield from _system(keys["systemInstruction"])
    if "contents" in keys:
        yield from _contents(keys["contents"], preference)
    if preference:
        yield from _completions(keys["completions"])
        yield from _text_only(keys.get("contents"))
        return
    for name, shape in (("toolConfig", "ToolConfig"), ("generationConfig", "GenerationConfig")):
        if name in keys:
            yield from validate_shape(shape, keys[name], name)
    if "tools" in keys:
        yield from _tools(keys["tools"])
    if calls and "contents" in keys:
        yield from validate_functions(keys)


def _keys(row: Mapping[str, Any], allowed: set[str]) -> Iterator[Fault]:
    """The missing key, the ones of other formats, the unknown ones."""
    if "contents" not in row:
        cure = next((cure for key, cure in CURES.items() if key in row), "the row has no contents")
        yield "missing_contents", cure, "contents"
    for key in row:
        name = camel(key)
        if name not in allowed and not (key in CURES and "contents" not in row):
            why = NO_PLACE.get(name) or f"{key[:60]!r} is not part of a tuning row"
            yield "unsupported_key", why, join("", key)


def _system(system: Any) -> Iterator[Fault]:
    path = "systemInstruction"
    if not isinstance(system, dict):
        yield "bad_system", "an object with parts: {`parts`: [{`text`: ...}]}", path
        return
    role = system.get("role")
    if role is not None and not isinstance(role, str):
        yield "bad_role", "the role is text", f"{path}.role"
    for at, part in enumerate(parts_of(system)):
        if isinstance(part, dict) and any(camel(key) != "text" for key in part):
            yield "system_not_text", "the system instruction takes text only", f"{path}.parts[{at}]"
    yield from _turn_keys(system, path)
    yield from _parts(system, path, "user")


def _contents(contents: Any, preference: bool) -> Iterator[Fault]:
    if not isinstance(contents, list) or not contents:
        yield "bad_contents", "contents is a list with at least a user and a model turn", "contents"
        return
    for at, content in enumerate(contents):
        yield from _content(content, f"contents[{at}]")
    yield from _order(contents, "user" if preference else "model")


def _content(content: Any, path: str) -> Iterator[Fault]:
    if not isinstance(content, dict):
        yield "bad_turn", "a turn is an object with role and parts", path
        return
    role = content.get("role")
    if role not in ("user", "model"):
        yield from _role_fault(content, role, path)
    yield from _turn_keys(content, path)
    yield from _parts(content, path, role_of(content))


def _role_fault(content: dict[str, Any], role: Any, path: str) -> Iterator[Fault]:
    response = any(
        isinstance(p, dict) and "functionResponse" in named(p) for p in parts_of(content)
    )
    if role == "assistant":
        yield "bad_role", "Gemini says `model`, not `assistant`", f"{path}.role"
    elif role == "system":
        yield "bad_role", "a system text goes into `systemInstruction`", f"{path}.role"
    elif role is not None or not response:
        yield "bad_role", f"the role is `user` or `model`, not {role!r}"[:120], f"{path}.role"


def _turn_keys(content: dict[str, Any], path: str) -> Iterator[Fault]:
    for key in content:
        if key not in ("role", "parts", "content"):
            what = "per-turn weights do not exist for Gemini" if key == "weight" else "unknown key"
            yield "unsupported_key", what, join(path, key)


def _parts(content: Mapping[str, Any], path: str, role: str) -> Iterator[Fault]:
    parts = content.get("parts")
    if "content" in content:
        yield "content_string", "`content` is `parts` here: [{`text`: ...}]", f"{path}.content"
    elif not isinstance(parts, list) or not parts:
        yield "bad_parts", "parts is a list: [{`text`: ...}]", f"{path}.parts"
    for at, part in enumerate(parts_of(content)):
        yield from validate_part(part, f"{path}.parts[{at}]", role)


def _tools(tools: Any) -> Iterator[Fault]:
    if not isinstance(tools, list) or not tools:
        yield "wrong_type", "a list of tools is expected", "tools"
        return
    for at, tool in enumerate(tools):
        yield from validate_shape("Tool", tool, f"tools[{at}]")


def _order(contents: list[Any], last: str) -> Iterator[Fault]:
    """User first, turns alternating, the answer (or the question, for preference rows) last.
    Turns without a role of their own (function responses) stand for the user."""
    roles = [role_of(content) for content in contents]
    if roles[0] != "user":
        yield "first_turn", "the first turn is the user's", "contents[0].role"
    for at in range(1, len(roles)):
        if roles[at] == roles[at - 1]:
            message = f"two {roles[at]} turns in a row; roles alternate"
            yield "consecutive_turns", message, f"contents[{at}].role"
    if roles[-1] != last:
        whose = "model's: the answer to learn" if last == "model" else "user's: the question"
        yield "last_turn", f"the last turn is the {whose}", f"contents[{len(roles) - 1}].role"


def _completions(completions: Any) -> Iterator[Fault]:
    path = "completions"
    if not isinstance(completions, list) or len(completions) != 2:
        yield "bad_completions", "exactly two completions, the better one with score 1", path
        return
    scores = []
    for at, item in enumerate(completions):
        here = f"{path}[{at}]"
        if not isinstance(item, dict) or set(item) != {"score", "completion"}:
            yield "bad_completions", "a completion has score and completion, nothing else", here
            continue
        scores.append(item["score"] if type(item["score"]) in (int, float) else None)
        yield from _content(item["completion"], f"{here}.completion")
        if role_of(item["completion"]) != "model":
            yield "bad_role", "a completion is a model turn", f"{here}.completion.role"
        yield from _text_only([item["completion"]], f"{here}.completion")
    if len(scores) == 2 and set(scores) != {0, 1}:
        yield "bad_completions", "one completion has score 1, the other 0", path


def _text_only(contents: Any, path: str = "") -> Iterator[Fault]:
    """Preference tuning takes text only."""
    for at, content in enumerate(contents if isinstance(contents, list) else []):
        for number, part in enumerate(parts_of(content) if isinstance(content, dict) else []):
            if isinstance(part, dict) and any(camel(key) != "text" for key in part):
                where = path or f"contents[{at}]"
                message = "preference tuning takes text only"
                yield "preference_not_text", message, f"{where}.parts[{number}]"


def parts_of(content: Mapping[str, Any]) -> list[Any]:
    """The list of parts, empty where there is none."""
    parts = content.get("parts")
    return parts if isinstance(parts, list) else []


def role_of(content: Any) -> str:
    """``model`` or ``user``, also for roles that are spelled wrongly."""
    role = content.get("role") if isinstance(content, dict) else None
    return "model" if role in ("model", "assistant") else "user"


# One line of a Gemini tuning file as an object, or what keeps it from being one.

CURLY = "“”„‟«»"
DEEPEST = 64
"""Levels of nesting; the service's JSON reader gives up at 100, and rows stand inside others."""


def read_line(line: bytes) -> tuple[dict[str, Any] | None, list[Fault]]:
    """The row, or None, and what is wrong with the line as text."""
    if not line.strip():
        return None, [("blank_line", "the line is empty; every line is one row", "")]
    found: list[Fault] = []
    if line.startswith(b"\xef\xbb\xbf"):
        message = "the file begins with a byte-order mark; write it without"
        found.append(("byte_order_mark", message, ""))
        line = line[3:]
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return None, [*found, not_json(line, error)]
    if not isinstance(row, dict):
        return None, [*found, ("not_object", "each line is one JSON object", "")]
    if _plain(line, row):
        return row, found
    keys, depth = _extent(row)
    if depth > DEEPEST:
        return None, [*found, ("too_deep", f"nested more than {DEEPEST} levels deep", "")]
    # Every key has `":` behind it; more or fewer of them may mean a key that stands twice.
    if line.count(b'":') - line.count(b'\\":') != keys:
        found += _repeated(line)
    return row, found


def not_json(line: bytes, error: json.JSONDecodeError) -> Fault:
    """Why a line is no JSON, in the words of what people did."""
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


def _plain(line: bytes, row: dict[str, Any]) -> bool:
    """Whether the line is flat, and as long as its value written anew: then no key was lost."""
    if line.count(b"{") + line.count(b"[") > DEEPEST:
        return False
    return len(orjson.dumps(row)) == len(line.rstrip(b"\r\n"))


def _extent(value: Any) -> tuple[int, int]:
    """Keys in a JSON value and its levels, without recursion."""
    keys = depth = 0
    level = [value]
    while level and depth <= DEEPEST:
        depth += 1
        deeper = []
        for item in level:
            if type(item) is dict:
                keys += len(item)
                deeper += [v for v in item.values() if type(v) is dict or type(v) is list]
            else:
                deeper += [v for v in item if type(v) is dict or type(v) is list]
        level = deeper
    return keys, depth


def _repeated(line: bytes) -> list[Fault]:
    """Keys that stand twice in one object: the service's reader refuses them, others take the
    last."""
    names: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            names.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)

    json.loads(line, object_pairs_hook=unique)
    message = "the key stands twice in one object"
    return [("duplicate_key", message, join("", name)) for name in dict.fromkeys(names)]
