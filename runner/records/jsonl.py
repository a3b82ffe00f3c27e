"""Records as JSON lines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.errors import SftError


def write_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write one JSON object a line (UTF-8, not ASCII-escaped); return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Read our own JSONL files. Not for users' files: those go through `runner.sources`.

    Raises SftError for a line that is no JSON: the file was damaged after it was written.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise SftError(
                    f"{path}:{number} is damaged: {error}\n"
                    "  the 'sft run' that made it, given again, makes it anew"
                ) from error


def compact(record: Any) -> dict[str, object]:
    """The record as JSON-ready dict without its empty optional fields."""
    out: dict[str, object] = {}
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        required = (
            item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        )
        if required or (value is not None and value != "" and value != () and value != {}):
            out[item.name] = _plain(value)
    return out


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return {name: _plain(item) for name, item in named.items() if item != ()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value
