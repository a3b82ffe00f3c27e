"""How things are put in messages: places, values, and what may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from runner.compose.overrides import text_of


def place(file: Path, line: int | None = None) -> str:
    """``exp.yaml:12``, relative to the working directory when the file is below it."""
    cwd = Path.cwd()
    shown = file.relative_to(cwd) if file.is_relative_to(cwd) else file
    return f"{shown}:{line}" if line else str(shown)


def quoted(value: Any, width: int = 60) -> str:
    """The value as it would stand in YAML, cut to `width` characters."""
    text = "null" if value is None else f"'{value}'" if isinstance(value, str) else text_of(value)
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def near(word: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that `word` most likely is a slip of; case does not count."""
    by_folded = {name.casefold(): name for name in names}
    found = get_close_matches(word.casefold(), by_folded, 1, cutoff)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str | None) -> str:
    return f"did you mean `{name}`?" if name else ""
