"""What a score means, why a row has no usable answer, and the scored row that stages pass on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from runner.records.answers import NotAnswered, cause_of_error
from runner.records.rows import read_jsonl, write_jsonl

Cause = NotAnswered | Literal["cut", "looping", "empty", "unparsable"]
"""Why a row has no usable answer: the first ones a backend says, the rest shows in the text."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the numbers of a metric mean. The metric that makes a score says so itself."""

    unit: str = ""
    """``share``, ``points``, ``edits per 100 words`` ...; empty when nobody said."""
    lowest: float | None = None
    """The lowest value there can be; None for no bound."""
    highest: float | None = None
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if self.lowest is not None and self.highest is not None and self.lowest >= self.highest:
            raise ValueError(f"a scale from {self.lowest:g} to {self.highest:g} holds no values")

    @property
    def best(self) -> float | None:
        """The value of a perfect answer; None for no bound."""
        return self.highest if self.higher_is_better else self.lowest

    @property
    def worst(self) -> float | None:
        """The value of the worst answer; None for no bound."""
        return self.lowest if self.higher_is_better else self.highest

    @property
    def width(self) -> float:
        """From the lowest value to the highest; 0 where one of them has no bound."""
        if self.lowest is None or self.highest is None:
            return 0.0
        return self.highest - self.lowest

    def better(self, value: float, than: float) -> bool:
        """Whether `value` is strictly better; nan is worse than any number."""
        if value != value or than != than:
            return value == value
        return value > than if self.higher_is_better else value < than

    def gain(self, difference: float) -> float:
        """A difference with its sign turned so that more is better."""
        return difference if self.higher_is_better else -difference

    def places(self, *values: float) -> int:
        """Decimals that people need to tell values apart: 3 for shares, 1 where a score may be
        100. Where there is no upper bound, the values themselves say which."""
        most = [abs(value) for value in values if math.isfinite(value)]
        if self.highest is not None:
            most = [abs(self.highest)]
        return 3 if max(most, default=0.0) <= 1 else 1


UNKNOWN = Scale()
"""Of a metric that said nothing: higher is better, and there is no worst value."""
SHARE = Scale("share", 0.0, 1.0)
POINTS = Scale("points", 0.0, 100.0)
EDITS = Scale("edits per 100 words", 0.0, None, higher_is_better=False)
"""Insertions, deletions, substitutions and moves; more than 100 where an answer is too long."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One evaluated row: what was asked, what came, what it scored."""

    id: str
    prompt: str
    target: str
    references: tuple[str, ...] = ()
    """Further right answers."""
    text: str = ""
    extracted: str | None = None
    """The part of the answer that is scored; None where there is none."""
    error: str = ""
    """Why there is no text at all, in the backend's words."""
    finish: str = "stop"
    unanswered: Cause | Literal[""] = ""
    """Why there is no usable answer; empty where there is one."""
    slices: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    """Rows of one non-empty group depend on each other (`source.group`)."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """The row's own value of every score that has one."""

    def to_json(self) -> dict[str, Any]:
        """With every key, also the empty ones: people read these files as tables."""
        plain = {name: getattr(self, name) for name in _FIELDS}
        changed = {"references": list(self.references), "slices": dict(self.slices)}
        return {**plain, **changed, "scores": dict(self.scores)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Rows that were written before causes had names are read as well."""
        known = {name: raw[name] for name in _FIELDS if name in raw}
        known["references"] = tuple(raw.get("references") or ())
        if raw.get("error") and "unanswered" not in raw:
            known["unanswered"] = cause_of_error(raw["error"])
        return cls(**known)


_FIELDS = tuple(item.name for item in fields(ScoredRow))


def write_rows(path: Path, rows: Iterable[ScoredRow]) -> int:
    """Write ``rows.jsonl`` of a set of scores; return how many rows."""
    return write_jsonl(path, (row.to_json() for row in rows))


def read_rows(path: Path) -> Iterator[ScoredRow]:
    """The rows of ``rows.jsonl`` in their order."""
    return map(ScoredRow.from_json, read_jsonl(path))
