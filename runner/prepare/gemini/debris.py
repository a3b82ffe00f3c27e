"""Text that was JSON once: what copying and exporting did to it, undone."""

from __future__ import annotations

import re
from typing import Any

import orjson

STRAIGHT = {ord(mark): '"' for mark in "“”„‟"}
STRING = r'("(?:[^"\\]|\\.)*")'
LINE_ENDS = re.compile(STRING + r"|\\r\\n|\\n|\\r|\brn|rn\b")
"""Strings, which stay as they are, and escaped or half-escaped line ends between values."""
COMMAS = re.compile(STRING + r"|,(?=\s*[}\]])")


def revived(text: str) -> tuple[Any, list[str]]:
    """The JSON value of a text, and what was done to get it.

    The mildest cure that helps is taken. Raises ValueError when none helps.
    """
    done: list[str] = []
    bare = text.lstrip("\ufeff").strip()
    if text.startswith("\ufeff"):
        done.append("byte-order mark removed")
    if bare.endswith(","):
        bare = bare.rstrip(",").rstrip()
        done.append("comma behind the row removed")
    try:
        return orjson.loads(bare), done
    except orjson.JSONDecodeError as error:
        first = error
    for cure, what in _CURES:
        try:
            return orjson.loads(cure(bare)), [*done, what]
        except orjson.JSONDecodeError:
            continue
    raise first


def _tidy(text: str) -> str:
    for debris in (LINE_ENDS, COMMAS):
        text = debris.sub(lambda found: found[1] or " ", text)
    return text


def _straight(text: str) -> str:
    return text.translate(STRAIGHT)


_CURES = (
    (_tidy, "left-over line ends and commas between values removed"),
    (_straight, "typographic quotes made straight"),
    (
        lambda text: _tidy(_straight(text)),
        "typographic quotes made straight, left-over line ends and commas removed",
    ),
)
"""Each is tried on the text as it came: what the wrong one does is never seen."""
