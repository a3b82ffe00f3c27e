"""What the judge of Gemini rows says, and the names both spellings come down to."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

Finding = tuple[str, str, str]
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


def twice(value: dict[str, Any], path: str) -> list[Finding]:
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
