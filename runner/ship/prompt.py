"""Prompts as the model was tuned on, made by the settings in client.json beside this file."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def settings() -> dict[str, Any]:
    """What the experiment says about the model: its name, templates, generation settings."""
    found: dict[str, Any] = json.loads((HERE / "client.json").read_text(encoding="utf-8"))
    return found


def render(
    client: Mapping[str, Any],
    row: Mapping[str, str],
    history: Sequence[Mapping[str, Any]] = (),
    system: str = "",
) -> tuple[str, list[dict[str, Any]]]:
    """System instruction and Gemini contents of one question.

    `row` has the input columns; a question that is just text is the only column there is, or
    `input`. `history` holds earlier turns as Gemini contents; `system` replaces the template's.
    """
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    jinja = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    fields = {name: str(row.get(name, "")) for name in client["columns"]}
    names: dict[str, Any] = {"row": fields, **fields}
    if len(fields) == 1:
        names.setdefault("input", *fields.values())
    elif not fields:
        names["input"] = str(row.get("input", ""))
    prompt = jinja.from_string(client["template"]["prompt"]).render(names)
    system = system or jinja.from_string(client["template"]["system"]).render(names)
    parts = [{"text": prompt}] if prompt or not client["media"] else []
    turn = {"role": "user", "parts": [*parts, *_files(client["media"], row)]}
    return system, [*map(dict, history), turn]


def row_of(client: Mapping[str, Any], words: Sequence[str]) -> dict[str, str]:
    """The row that a command line means: COLUMN=TEXT for each column, or just the text."""
    columns = client["columns"] or ["input"]
    named = [word.partition("=") for word in words]
    if words and all(equals and name in columns for name, equals, _ in named):
        return {name: text for name, _, text in named}
    if len(columns) == 1 and len(words) == 1:
        return {columns[0]: words[0]}
    raise SystemExit("give: " + " ".join(f"{name}='...'" for name in columns))


def _files(media: Mapping[str, str | None], row: Mapping[str, str]) -> list[dict[str, Any]]:
    """The files that the row's media columns name, by their type."""
    return [
        {"fileData": {"mimeType": kind or mimetypes.guess_type(row[name])[0], "fileUri": row[name]}}
        for name, kind in media.items()
    ]
