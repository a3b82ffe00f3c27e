"""Turns of parts on their way through preparation: what of them is text, and how it is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from runner.records import Row, Turn, parts_text, plain_text


def spoken(turn: Turn) -> str:
    """The text that somebody said: without the files and the function calls among it."""
    return plain_text(turn.parts) if turn.parts else turn.text


def repaired(turn: Turn, repair: Callable[[str], str]) -> Turn:
    """The turn with each of its texts repaired; everything else stays as it is."""
    if not turn.parts:
        return Turn(turn.role, repair(turn.text))
    parts = tuple({**p, "text": repair(p["text"])} if "text" in p else p for p in turn.parts)
    return Turn(turn.role, parts_text(parts), parts)


def prompted(turn: Turn, prompt: str) -> Turn:
    """The turn with `prompt` for its text. Where the text is not changed, or the turn answers a
    function call, it stays as it is; else the prompt comes first and the files follow."""
    if not turn.parts:
        return Turn("user", prompt)
    if prompt == spoken(turn) or any("functionResponse" in part for part in turn.parts):
        return turn
    return _turn(prompt, (part for part in turn.parts if "text" not in part))


def with_files(prompt: str, row: Row) -> Turn:
    """A user turn of the prompt and the files that the row's media columns name."""
    files = (
        {"fileData": {"mimeType": mime, "fileUri": row.fields[name]}}
        for name, mime in row.media.items()
    )
    return _turn(prompt, files) if row.media else Turn("user", prompt)


def _turn(prompt: str, files: Iterable[Mapping[str, Any]]) -> Turn:
    parts = (*([{"text": prompt}] if prompt else []), *files)
    return Turn("user", parts_text(parts), parts)


def cleaned_row(row: Row, repair: Callable[[str], str]) -> Row:
    """The row with all its texts repaired but those of files and function calls."""
    return replace(
        row,
        fields={
            name: text if name in row.media else repair(text) for name, text in row.fields.items()
        },
        target=row.target if row.target_parts else repair(row.target),
        references=tuple(map(repair, row.references)),
        system=repair(row.system),
        history=tuple(repaired(turn, repair) for turn in row.history),
        rejected=repair(row.rejected),
    )
