"""What a reader yields before columns have roles, and how its values become text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

Record = tuple[int, Mapping[str, Any]]
"""1-based line (row number for formats without lines) and the values by column."""


def as_text(value: Any) -> str:
    """A value as the text that templates, metrics and models see.

    Text stays as it is, null becomes empty, numbers and booleans are written as in JSON, lists
    and objects become compact JSON with their own key order.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:  # integers beyond 64 bits, keys that are not text
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
