"""Rows as read and as rendered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from runner.base.errors import DataError, SftError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row was read: `line` is 1-based (row number for formats without lines)."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; `role` is ``user`` or ``model`` (Gemini's words)."""

    role: Literal["user", "model"]
    text: str
    """What the turn says. With `parts`, the text among them and, for each other part, its compact
    JSON: what is compared, counted and shown."""
    parts: tuple[Mapping[str, Any], ...] = ()
    """Gemini parts as given, for a turn that is not one text (media, function calls)."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(raw["role"], raw["text"], tuple(raw.get("parts", ())))

    def to_gemini(self) -> dict[str, Any]:
        """The turn as a Gemini `Content`."""
        return {"role": self.role, "parts": list(self.parts) or [{"text": self.text}]}


@dataclass(frozen=True, slots=True)
class Row:
    """One source row before any template."""

    id: str
    """The source's own id column, else ``<split>-<line>`` made unique per file."""
    fields: Mapping[str, str]
    """Input columns by name, all as text. Never holds the target column."""
    target: str
    """The answer to learn. JSON targets are compact JSON text with the source's key order."""
    origin: Origin
    references: tuple[str, ...] = ()
    """Further acceptable answers besides `target` (evaluation only)."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Labels to report scores by, e.g. ``{"phrasing": "unseen"}``."""
    group: str = ""
    """Rows with one non-empty group never straddle a split."""
    system: str = ""
    """Instance-level system instruction (rows that arrive in Gemini or chat form)."""
    history: tuple[Turn, ...] = ()
    """Turns before the target, last one a user turn, for rows that arrive in Gemini or chat
    form; empty for column rows, which get their turns from the template."""
    target_parts: tuple[Mapping[str, Any], ...] = ()
    """The answer as Gemini parts, when it is not one text (function calls)."""
    rejected: str = ""
    """The worse of two answers (preference tuning); `target` is the better one."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Further row-level keys of Gemini's format, as given: ``tools``, ``toolConfig``,
    ``generationConfig``."""
    media: Mapping[str, str] = field(default_factory=dict)
    """Those of `fields` that hold the URI of a file to be shown to the model, with its MIME
    type."""

    def to_json(self) -> dict[str, object]:
        return compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            id=raw["id"],
            fields=raw.get("fields", {}),
            target=raw["target"],
            origin=Origin(**raw["origin"]),
            references=tuple(raw.get("references", ())),
            slices=raw.get("slices", {}),
            group=raw.get("group", ""),
            system=raw.get("system", ""),
            history=tuple(map(Turn.from_json, raw.get("history", ()))),
            target_parts=tuple(raw.get("target_parts", ())),
            rejected=raw.get("rejected", ""),
            extras=raw.get("extras", {}),
            media=raw.get("media", {}),
        )


@dataclass(frozen=True, slots=True)
class Example:
    """One rendered row: exactly what tuning, evaluation and serving see."""

    id: str
    contents: tuple[Turn, ...]
    """Turns up to and including the last user turn; the target is not in here."""
    target: str
    origin: Origin
    system: str = ""
    references: tuple[str, ...] = ()
    slices: Mapping[str, str] = field(default_factory=dict)
    target_parts: tuple[Mapping[str, Any], ...] = ()
    """As in `Row`."""
    rejected: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    """As in `Row`, for scores. Rendered files lack it: nothing that a model sees depends on it,
    and a tuning job is known by their content."""

    def to_json(self) -> dict[str, object]:
        return compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            id=raw["id"],
            contents=tuple(map(Turn.from_json, raw["contents"])),
            target=raw["target"],
            origin=Origin(**raw["origin"]),
            system=raw.get("system", ""),
            references=tuple(raw.get("references", ())),
            slices=raw.get("slices", {}),
            target_parts=tuple(raw.get("target_parts", ())),
            rejected=raw.get("rejected", ""),
            extras=raw.get("extras", {}),
            group=raw.get("group", ""),
        )

    def to_gemini(self) -> dict[str, Any]:
        """The Gemini SFT dataset row: ``systemInstruction`` and ``contents``, target last."""
        answer = Turn("model", self.target, self.target_parts)
        return self._gemini((*self.contents, answer))

    def to_preference(self) -> dict[str, Any]:
        """The row for preference tuning: ``contents`` without an answer, and two
        ``completions``, the better one with score 1. Raises DataError without a worse answer."""
        if not self.rejected:
            where = f"{self.origin.file}:{self.origin.line}"
            raise DataError(
                f"{where}: preference tuning needs a better and a worse answer, this row has one\n"
                "  use rows with two scored `completions` (source.kind: gemini), or set"
                " tuning.method=supervised"
            )
        scored = ((1, Turn("model", self.target)), (0, Turn("model", self.rejected)))
        row = self._gemini(self.contents)
        row["completions"] = [{"score": n, "completion": turn.to_gemini()} for n, turn in scored]
        return row

    def _gemini(self, turns: tuple[Turn, ...]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        if self.system:
            row["systemInstruction"] = {"role": "system", "parts": [{"text": self.system}]}
        row["contents"] = [turn.to_gemini() for turn in turns]
        return {**row, **self.extras}

    @property
    def prompt(self) -> str:
        """The last user turn, for tables and pages."""
        return self.contents[-1].text


# Gemini parts as text: what is compared, counted, shown and judged of a turn.

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


# Records as JSON lines.


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
