"""Gemini parts as text: what is compared, counted, shown and judged of a turn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Part = Mapping[str, Any]


def parts_text(parts: Iterable[Part]) -> str:
    """The texts joined, then, for each other part, its compact JSON on a line of its own.

    Function calls are one line: ``{"name":..,"args":..}``, a list of them for parallel calls,
    with sorted arguments, so that JSON metrics can judge them and equal calls are equal text.
    """
    parts = list(parts)
    calls = [call_json(part["functionCall"]) for part in parts if "functionCall" in part]
    lines = [plain_text(parts)]
    lines += [_json(part) for part in parts if "text" not in part and "functionCall" not in part]
    if calls:
        lines.append(calls[0] if len(calls) == 1 else f"[{','.join(calls)}]")
    return "\n".join(line for line in lines if line)


def plain_text(parts: Iterable[Part]) -> str:
    """The texts alone, joined."""
    return "".join(part["text"] for part in parts if "text" in part)


def call_json(call: Mapping[str, Any]) -> str:
    """One function call as canonical JSON."""
    name, args = _json(call.get("name", "")), _json(call.get("args") or {}, sort=True)
    return f'{{"name":{name},"args":{args}}}'


def _json(value: Any, *, sort: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort)
