"""MLflow's traces of a served model: production prompts, and training rows with feedback.

A trace's root inputs are read as the
chat and Gemini integrations log them (`messages`, `contents`), else as one text (`prompt`,
`question`, `input`, `text`, or the only text there is).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.errors import DataError
from runner.plural import plural
from runner.tracking.logged import logged

if TYPE_CHECKING:
    from runner.config import TracesSkew

SYSTEM = ("systemInstruction", "system_instruction")
ASKED = ("prompt", "question", "input", "query", "text")
ANSWERED = ("text", "answer", "output", "response", "content")


def prompt_record(inputs: Any) -> dict[str, Any] | None:
    """A trace's inputs as a row with `messages`, `contents` or `text`; None when none is there."""
    if isinstance(inputs, str):
        return {"text": inputs}
    if not isinstance(inputs, Mapping):
        return None
    inner = inputs.get("request")
    row = dict(inner if isinstance(inner, Mapping) else inputs)
    if isinstance(row.get("messages"), list) or "contents" in row:
        config = row.get("config")
        if isinstance(config, Mapping) and "systemInstruction" not in row:
            row |= {key: config[key] for key in SYSTEM if key in config}
        kept = ("messages", "contents", "tools", "system", *SYSTEM)
        return {key: row[key] for key in kept if row.get(key) is not None}
    texts = {key: value for key, value in row.items() if isinstance(value, str)}
    key = next((key for key in ASKED if key in texts), None)
    key = key or (next(iter(texts)) if len(texts) == 1 else None)
    if key is None:
        return None
    system = texts.get("system")
    return {"text": texts[key], **({"system": system} if system is not None else {})}


def answer_text(outputs: Any) -> str:
    """A trace's answer as text: chat choices, Gemini candidates, one text; else compact JSON."""
    if outputs is None or isinstance(outputs, str):
        return outputs or ""
    if isinstance(outputs, Mapping):
        for way in (
            ("choices", 0, "message", "content"),
            ("candidates", 0, "content", "parts", 0, "text"),
            *((name,) for name in ANSWERED),
        ):
            if isinstance(found := _at(outputs, way), str):
                return found
    return json.dumps(outputs, ensure_ascii=False, separators=(",", ":"), default=str)


def _at(value: Any, way: tuple[Any, ...]) -> Any:
    for step in way:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def production_prompts(config: TracesSkew) -> list[dict[str, Any]]:
    """The prompts of a served model for `runner.skew`, with trace ids as their ids. Raises as
    `logged` does, and DataError when no trace holds a prompt."""
    rows = []
    seen = 0
    for trace in logged(config.tracking_uri, config.experiment, config.filter, "skew.experiment"):
        seen += 1
        if record := prompt_record(trace.inputs):
            rows.append({**record, "id": trace.id})
    if not rows:
        raise DataError(
            f"skew.experiment: none of {plural(seen, 'trace')} of {config.experiment!r} "
            "holds a prompt: inputs with messages, contents, prompt or text"
        )
    return rows
