"""The shapes of Gemini's objects, as far as tuning rows may use them.

Written after the messages `Tool`, `ToolConfig`, `GenerationConfig`, `Schema`, `FileData`,
`FunctionCall`, `FunctionResponse`, `VideoMetadata` and `PartMediaResolution` of the discovery
document of aiplatform v1beta1 (revision 20261106); a test holds them against it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

RESOLUTIONS = "MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM|MEDIA_RESOLUTION_HIGH"
TYPES = "STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL"

SHAPES: dict[str, dict[str, str]] = {
    "FileData": {"fileUri": "text!", "mimeType": "text!"},
    "FunctionCall": {"id": "text", "name": "name!", "args": "struct"},
    "FunctionResponse": {"id": "text", "name": "name!", "response": "filled!"},
    "VideoMetadata": {"startOffset": "duration", "endOffset": "duration", "fps": "number"},
    "PartMediaResolution": {"level": f"enum {RESOLUTIONS}|MEDIA_RESOLUTION_ULTRA_HIGH"},
    "Tool": {"functionDeclarations": "list FunctionDeclaration!"},
    "FunctionDeclaration": {
        "name": "name!",
        "description": "text",
        "parameters": "Schema",
        "parametersJsonSchema": "any",
        "response": "Schema",
        "responseJsonSchema": "any",
    },
    "Schema": {
        "type": f"enum {TYPES}",
        "title": "text",
        "description": "text",
        "format": "text",
        "pattern": "text",
        "nullable": "boolean",
        "default": "any",
        "example": "any",
        "enum": "list text",
        "required": "list text",
        "propertyOrdering": "list text",
        "properties": "map Schema",
        "items": "Schema",
        "anyOf": "list Schema",
        "minimum": "number",
        "maximum": "number",
        "minItems": "int64",
        "maxItems": "int64",
        "minLength": "int64",
        "maxLength": "int64",
        "minProperties": "int64",
        "maxProperties": "int64",
    },
    "ToolConfig": {"functionCallingConfig": "FunctionCallingConfig"},
    "FunctionCallingConfig": {
        "mode": "enum AUTO|ANY|NONE|VALIDATED",
        "allowedFunctionNames": "list text",
    },
    "GenerationConfig": {
        "mediaResolution": f"enum {RESOLUTIONS}",
        "temperature": "number",
        "topP": "number",
        "topK": "number",
        "candidateCount": "int32",
        "maxOutputTokens": "int32",
        "stopSequences": "list text",
        "presencePenalty": "number",
        "frequencyPenalty": "number",
        "seed": "int32",
    },
}
"""Message to field to kind; ``!`` marks what has to be there."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
"""Of functions, as the API's reference has it."""
DURATION = re.compile(r"\d{1,6}(\.\d{1,9})?s")


def validate_shape(shape: str, value: Any, path: str) -> Iterator[Fault]:
    """Everything that is wrong with a value that is to be the message `shape`."""
    if not isinstance(value, dict):
        yield "wrong_type", f"an object ({shape}) is expected", path
        return
    fields = SHAPES[shape]
    yield from twice(value, path)
    there = set()
    for key, item in value.items():
        name = camel(key)
        kind = fields.get(name)
        if kind is None:
            yield (
                "unsupported_key",
                f"a {shape} of a tuning row has no {key[:60]!r}",
                join(path, key),
            )
            continue
        there.add(name)
        yield from _value(kind.removesuffix("!"), item, join(path, key))
    for name, kind in fields.items():
        if kind.endswith("!") and name not in there:
            yield "missing_key", f"a {shape} needs {name!r}", join(path, name)


def _value(kind: str, value: Any, path: str) -> Iterator[Fault]:
    head, _, rest = kind.partition(" ")
    if kind in SHAPES:
        yield from validate_shape(kind, value, path)
    elif head == "list":
        yield from _list(rest, value, path)
    elif head == "map":
        yield from _map(rest, value, path)
    elif head == "enum":
        if not isinstance(value, str) or value not in rest.split("|"):
            yield "wrong_value", f"one of {rest.replace('|', ', ')} is expected", path
    elif not _FITS[kind](value):
        yield "wrong_type", f"{_WORDS[kind]} is expected", path


def _list(kind: str, value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield "wrong_type", "a list is expected", path
        return
    if kind in SHAPES and not value:
        yield "wrong_value", "the list is empty", path
    for at, item in enumerate(value):
        yield from _value(kind, item, f"{path}[{at}]")


def _map(kind: str, value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield "wrong_type", "an object is expected", path
        return
    for name, item in value.items():
        yield from _value(kind, item, join(path, name))


def _whole(bits: int) -> Any:
    def fits(value: Any) -> bool:
        return type(value) is int and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)

    return fits


_FITS: dict[str, Any] = {
    "any": lambda value: value is not None,
    "text": lambda value: isinstance(value, str) and bool(value),
    "name": lambda value: isinstance(value, str) and bool(NAME.fullmatch(value)),
    "boolean": lambda value: isinstance(value, bool),
    "struct": lambda value: isinstance(value, Mapping),
    "filled": lambda value: isinstance(value, Mapping) and bool(value),
    "number": lambda value: type(value) in (int, float) and math.isfinite(value),
    "int32": _whole(32),
    "int64": _whole(64),
    "duration": lambda value: isinstance(value, str) and bool(DURATION.fullmatch(value)),
}
_WORDS = {
    "any": "a value",
    "text": "text",
    "name": "a function's name (letters, digits, _ . : -, at most 128)",
    "boolean": "true or false",
    "struct": "an object",
    "filled": "an object that is not empty",
    "number": "a number",
    "int32": "a whole number",
    "int64": "a whole number",
    "duration": "seconds such as 5s or 12.5s",
}

# What validation of Gemini rows says, and the names both spellings come down to.

Fault = tuple[str, str, str]
"""Rule, message, JSON path within the row."""


@lru_cache(4096)
def camel(name: str) -> str:
    """``file_data`` as ``fileData``; the service reads both."""
    if "_" not in name:
        return name
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest) if head else name


def named(value: dict[str, Any]) -> dict[str, Any]:
    """The object with camelCase keys; where a key stands in both spellings, the last counts."""
    for key in value:
        if "_" in key:
            break
    else:
        return value  # the usual spelling
    return {camel(key): item for key, item in value.items()}


def twice(value: dict[str, Any], path: str) -> list[Fault]:
    """Keys that stand in both spellings."""
    if len(named(value)) == len(value):
        return []
    names = [camel(key) for key in value]
    found = sorted({name for name in names if names.count(name) > 1})
    return [("duplicate_key", "stands in both spellings", join(path, name)) for name in found]


def join(path: str, key: object) -> str:
    """``contents[0]`` and ``role`` as ``contents[0].role``; a key that is no plain word stands in
    brackets and quotes."""
    name = str(key)
    if not (name.isascii() and name.isidentifier()):
        return f"{path}[{json.dumps(name[:60])}]"
    return f"{path}.{name}" if path else name
