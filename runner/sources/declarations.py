"""Tools as OpenAI declares them, as Gemini takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.sources.conversation import BadTurns, entries

TAKEN = {
    *("title", "description", "nullable", "default", "format", "pattern", "enum", "required"),
    *("minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"),
    *("minProperties", "maxProperties"),
}
"""Keywords of JSON schema that Gemini's `Schema` has as well."""
LEFT_OUT = {"additionalProperties", "$schema", "strict"}
"""Keywords that say nothing Gemini could follow."""
TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}


def gemini_tools(tools: Any, place: str) -> list[dict[str, Any]]:
    """OpenAI's ``tools`` of a row as Gemini's, with one list of declarations. Raises BadTurns
    for tools that are no functions and for schemas with keywords that Gemini lacks."""
    declared = [
        _declaration(tool, f"{place}[{at}]") for at, tool in enumerate(entries(tools, place))
    ]
    return [{"functionDeclarations": declared}]


def _declaration(tool: Any, place: str) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise BadTurns("bad_tools", "a tool has a function with a name", place)
    out = {"name": function["name"], "description": str(function.get("description") or "")}
    parameters = function.get("parameters")
    if parameters:
        out["parameters"] = _schema(parameters, f"{place}.function.parameters")
    return {key: value for key, value in out.items() if value}


def _schema(schema: Any, place: str) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise BadTurns("bad_tools", "a schema is an object", place)
    out: dict[str, Any] = {}
    for key, value in schema.items():
        at = f"{place}.{key}"
        if key == "type":
            out |= _type(value, at)
        elif key == "properties" and isinstance(value, Mapping):
            out[key] = {name: _schema(inner, f"{at}.{name}") for name, inner in value.items()}
        elif key == "items":
            out[key] = _schema(value, at)
        elif key == "anyOf":
            out[key] = [_schema(inner, f"{at}[{n}]") for n, inner in enumerate(entries(value, at))]
        elif key in TAKEN:
            out[key] = value
        elif key not in LEFT_OUT:
            raise BadTurns("bad_tools", f"Gemini's schemas have no {key!r}", at)
    return out


def _type(value: Any, place: str) -> dict[str, Any]:
    """``string`` as ``STRING``; ``[string, null]`` as a nullable one."""
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name.lower() in TYPES for name in names):
        raise BadTurns("bad_tools", f"no such type: {value}", place)
    kinds = [name.upper() for name in names if name.lower() != "null"] or ["NULL"]
    if len(kinds) > 1:
        raise BadTurns("bad_tools", "one type at a time; write anyOf for several", place)
    nullable = len(names) > len(kinds)
    return {"type": kinds[0], **({"nullable": True} if nullable else {})}
