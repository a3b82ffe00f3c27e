"""Function calls of a row: declared, and each answered before the talk goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.prepare.gemini.finding import Finding, named


def judge_functions(row: Mapping[str, Any]) -> Iterator[Finding]:
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
