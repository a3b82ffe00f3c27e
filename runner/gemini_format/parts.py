"""One part of a turn: exactly one kind of data, of the right shape, in the right turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.gemini_format.shapes import Fault, camel, join, named, twice, validate_shape

KINDS = {
    "text": "",
    "fileData": "FileData",
    "functionCall": "FunctionCall",
    "functionResponse": "FunctionResponse",
}
EXTRAS = {"videoMetadata": "VideoMetadata", "mediaResolution": "PartMediaResolution"}
THOUGHTS = {"thought", "thoughtSignature"}
TURN_OF = {"fileData": "user", "functionResponse": "user", "functionCall": "model"}


def validate_part(part: Any, path: str, role: str) -> Iterator[Fault]:
    """Everything that is wrong with a part of a turn of `role` (``user`` or ``model``)."""
    if type(part) is dict and len(part) == 1 and "text" in part:  # nearly every part there is
        if type(part["text"]) is not str or not part["text"] or part["text"].isspace():
            yield "empty_text", "the text is empty", f"{path}.text"
        return
    if not isinstance(part, dict):
        yield "bad_part", "a part is an object such as {`text`: ...}", path
        return
    yield from twice(part, path)
    keys = named(part)
    if "inlineData" in keys:
        message = "media is given by fileData with a gs:// URI, not inline"
        yield "inline_data", message, f"{path}.inlineData"
    kinds = sorted(key for key in keys if key in KINDS or key == "inlineData")
    if len(kinds) != 1:
        which = ", ".join(kinds) or "none"
        yield "part_kinds", f"a part holds exactly one kind of data, this one: {which}", path
    if THOUGHTS & keys.keys():
        yield "thought", "supervised tuning leaves thoughts out; remove them", path
    yield from _fields(part, keys, path)
    for kind in kinds:
        if TURN_OF.get(kind, role) != role:
            yield "wrong_turn", f"{kind} belongs into a {TURN_OF[kind]} turn", f"{path}.{kind}"


def _fields(part: dict[str, Any], keys: dict[str, Any], path: str) -> Iterator[Fault]:
    for key, value in part.items():
        name, at = camel(key), join(path, key)
        if name == "text":
            if not (isinstance(value, str) and value.strip()):
                yield "empty_text", "the text is empty", at
        elif name in KINDS or name in EXTRAS:
            yield from validate_shape(KINDS.get(name) or EXTRAS[name], value, at)
            if name in EXTRAS and "fileData" not in keys:
                yield "unsupported_key", f"{name} goes with fileData only", at
        elif name not in THOUGHTS and name != "inlineData":
            yield "unsupported_key", "unknown key of a part", at


# Function calls of a row: declared, and each answered before the talk goes on.


def validate_functions(row: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the calls and responses of a row (with camelCase keys)."""
    contents = row["contents"]
    calls: list[str] = []
    declared = _declared(row.get("tools"))
    for at, content in enumerate(contents if isinstance(contents, list) else []):
        path = f"contents[{at}]"
        responses = _names(content, "functionResponse")
        if (calls or responses) and sorted(calls) != sorted(responses):
            what = f"{_listed(responses)} follow calls of {_listed(calls)}"
            yield "response_mismatch", f"each call gets one response: {what}", path
        calls = _names(content, "functionCall")
        for name in calls:
            if name not in declared:
                where = "none is declared in `tools`" if not declared else "not one of `tools`"
                yield "undeclared_function", f"{name[:80]!r} is called, and {where}", path


def _names(content: Any, kind: str) -> list[str]:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        return []
    if len(parts) == 1 and type(parts[0]) is dict and "text" in parts[0]:
        return []
    found = (named(part).get(kind) for part in parts if isinstance(part, dict))
    return [str(call.get("name")) for call in found if isinstance(call, dict)]


def _declared(tools: Any) -> set[str]:
    names = set()
    for tool in tools if isinstance(tools, list) else []:
        declared = named(tool).get("functionDeclarations") if isinstance(tool, dict) else None
        for item in declared if isinstance(declared, list) else []:
            if isinstance(item, dict):
                names.add(str(item.get("name")))
    return names


def _listed(names: list[str]) -> str:
    return (", ".join(names) or "nothing")[:120]
