"""Rows with chat messages (system, user, assistant, tool), as OpenAI and TRL write them."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from typing import Any

from runner.records import Turn
from runner.sources.conversations import BadTurns, Conversation, entries, made_turn

CHAT_ROLES = {"user": "user", "human": "user", "assistant": "model", "model": "model"}
SYSTEM_ROLES = ("system", "developer")
Parts = list[dict[str, Any]]


def chat_turns(record: Mapping[str, Any], key: str) -> Conversation:
    """The conversation of a row with chat messages under `key`, and its `tools`. Raises
    BadTurns."""
    if key not in record:
        there = ", ".join(record) or "nothing"
        raise BadTurns("missing_column", f"the row has no {key!r}; it has: {there}", key)
    reader = _Reader()
    for at, message in enumerate(entries(record[key], key)):
        reader.message(message, f"{key}[{at}]")
    reader.end_of_results()
    tools = record.get("tools")
    extras = {"tools": gemini_tools(tools, "tools")} if tools else {}
    return Conversation("\n\n".join(reader.system), tuple(reader.turns), extras=extras)


class _Reader:
    """Goes through the messages; results of tools that follow each other are one turn."""

    def __init__(self) -> None:
        self.system: list[str] = []
        self.turns: list[Turn] = []
        self._calls: dict[str, str] = {}
        """Id of each call to the name of its function."""
        self._results: Parts = []

    def message(self, message: Any, place: str) -> None:
        role = str(message.get("role")) if isinstance(message, Mapping) else ""
        if role == "tool" and self._calls:
            self._results.append(self._result(message, place))
            return
        self.end_of_results()
        if role in SYSTEM_ROLES and not self.turns:
            self.system.append(made_turn("user", _content(message, place)).text)
        elif role in CHAT_ROLES:
            self.turns.append(made_turn(CHAT_ROLES[role], self._said(message, place)))
        else:
            rule = "a system message comes first" if role in SYSTEM_ROLES else "no such role here"
            raise BadTurns("bad_role", f"{role!r}: {rule}; user and assistant take turns", place)

    def end_of_results(self) -> None:
        if self._results:
            self.turns.append(made_turn("user", self._results))
            self._results = []

    def _said(self, message: Mapping[str, Any], place: str) -> Parts:
        if message.get("function_call"):
            why = "function_call is the old form: write tool_calls"
            raise BadTurns("unsupported_part", why, f"{place}.function_call")
        calls = message.get("tool_calls")
        if not calls:
            return _content(message, place)
        text = _content(message, place) if message.get("content") else []
        where = f"{place}.tool_calls"
        return text + [self._call(c, f"{where}[{n}]") for n, c in enumerate(entries(calls, where))]

    def _call(self, call: Any, place: str) -> dict[str, Any]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadTurns("unsupported_part", "a tool call has a function with a name", place)
        args = function.get("arguments") or {}
        try:
            args = json.loads(args) if isinstance(args, str) else args
        except ValueError:
            args = None
        if not isinstance(args, Mapping):
            raise BadTurns("unsupported_part", "arguments are a JSON object", place)
        self._calls[str(call.get("id"))] = function["name"]
        return {"functionCall": {"name": function["name"], "args": dict(args)}}

    def _result(self, message: Mapping[str, Any], place: str) -> dict[str, Any]:
        name = self._calls.get(str(message.get("tool_call_id"))) or message.get("name")
        if not isinstance(name, str):
            raise BadTurns("bad_role", "the tool_call_id belongs to no call before it", place)
        text = made_turn("user", _content(message, place)).text
        try:
            found = json.loads(text)
        except ValueError:
            found = text
        response = found if isinstance(found, dict) else {"result": found}
        return {"functionResponse": {"name": name, "response": response}}


def _content(message: Mapping[str, Any], place: str) -> Parts:
    """A message's parts: a string is one, a list has parts of type text or image_url."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"text": content}]
    place = f"{place}.content"
    return [_part(part, f"{place}[{at}]") for at, part in enumerate(entries(content, place))]


def _part(part: Any, place: str) -> dict[str, Any]:
    named = part if isinstance(part, Mapping) else {}
    if isinstance(named.get("text"), str):
        return {"text": named["text"]}
    image = named.get("image_url")
    uri = image.get("url") if isinstance(image, Mapping) else image
    if isinstance(uri, str):
        mime = mimetypes.guess_type(uri)[0]
        if mime and uri.startswith(("gs://", "https://", "http://")):
            return {"fileData": {"mimeType": mime, "fileUri": uri}}
        raise BadTurns(
            "unsupported_part",
            "an image is a gs:// or https:// URI that ends in its type, such as .png",
            place,
        )
    what = ", ".join(map(str, named)) or type(part).__name__
    raise BadTurns("unsupported_part", f"a part is text or an image_url, not {what}", place)


# Tools as OpenAI declares them, as Gemini takes them.

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
