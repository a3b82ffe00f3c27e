"""Names and values as MLflow accepts them: changed as little as possible, never colliding.

MLflow allows letters, digits and ``_ - . : / space`` in metric and param names, at most 250 of
them, and cuts long values silently; we cut ourselves, so that two values stay different.
"""

from __future__ import annotations

import hashlib
import re

MAX_NAME = 250
MAX_PARAM = 500
"""Longer values help nobody in a table column; the whole config is an artifact."""
MAX_TAG = 7900
"""MLflow cuts run tags at 8000."""

_READABLE = str.maketrans({"=": ":", "+": "p"})
_REFUSED = re.compile(r"[^\w.\-:/ ]")


def key(name: str) -> str:
    """`name` as a metric or param name. ``phrasing=unseen`` becomes ``phrasing:unseen`` and
    ``chrf++`` becomes ``chrfpp``; where other characters had to go, four digits of a digest
    keep different names apart."""
    readable = name.translate(_READABLE)
    clean = "/".join(
        part for part in _REFUSED.sub("_", readable).split("/") if part.strip(". ")
    ).strip()
    if clean and clean == readable and len(clean) <= MAX_NAME:
        return clean
    mark = _mark(name, 4)
    return f"{clean[: MAX_NAME - 5] or 'unnamed'}-{mark}"


def value(text: str, limit: int = MAX_PARAM) -> str:
    """`text` cut to `limit` characters, with a digest of the whole so that long values that
    differ only at the end stay different."""
    if len(text) <= limit:
        return text
    mark = _mark(text, 8)
    return f"{text[: limit - 12]} … {mark}"


def model_name(name: str) -> str:
    """`name` for a LoggedModel, which refuses ``/ : . % " '`` and empty names."""
    return re.sub(r"[/:.%\"'\\]", "_", name).strip()[:MAX_NAME] or "unnamed"


def _mark(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]
