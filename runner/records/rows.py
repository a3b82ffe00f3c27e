"""Rows as read and as rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from runner.errors import DataError
from runner.records.jsonl import compact

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
