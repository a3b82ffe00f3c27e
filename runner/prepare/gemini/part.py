"""One part of a turn: exactly one kind of data, of the right shape, in the right turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.prepare.gemini.finding import Finding, camel, join, named, twice
from runner.prepare.gemini.shapes import judge

KINDS = {
    "text": "",
    "fileData": "FileData",
    "functionCall": "FunctionCall",
    "functionResponse": "FunctionResponse",
}
EXTRAS = {"videoMetadata": "VideoMetadata", "mediaResolution": "PartMediaResolution"}
THOUGHTS = {"thought", "thoughtSignature"}
TURN_OF = {"fileData": "user", "functionResponse": "user", "functionCall": "model"}


def judge_part(part: Any, path: str, role: str) -> Iterator[Finding]:
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


def _fields(part: dict[str, Any], keys: dict[str, Any], path: str) -> Iterator[Finding]:
    for key, value in part.items():
        name, at = camel(key), join(path, key)
        if name == "text":
            if not (isinstance(value, str) and value.strip()):
                yield "empty_text", "the text is empty", at
        elif name in KINDS or name in EXTRAS:
            yield from judge(KINDS.get(name) or EXTRAS[name], value, at)
            if name in EXTRAS and "fileData" not in keys:
                yield "unsupported_key", f"{name} goes with fileData only", at
        elif name not in THOUGHTS and name != "inlineData":
            yield "unsupported_key", "unknown key of a part", at
