"""What ``sft check`` says about a prepared and a rendered folder, for people and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.records.json_form import every_field
from runner.records.leaks import LeakLook
from runner.records.rows import Example
from runner.records.summaries import (
    Conflict,
    EvaluationCounts,
    LintCount,
    NewRow,
    SplitTokens,
    TrainCounts,
)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of a split: read, left after prepare, rendered."""

    read: int
    prepared: int
    used: int


@dataclass(frozen=True, slots=True)
class AddedRows:
    """New training rows by rule, their share of train, some of them, and those left out by
    reason."""

    rows: Mapping[str, int]
    share: float
    samples: tuple[NewRow, ...]
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DataReport:
    """The numbers of both folders; mappings are by split."""

    rows: Mapping[str, RowCounts]
    train: TrainCounts
    evaluation: Mapping[str, EvaluationCounts]
    conflicting_texts: int
    conflicts: tuple[Conflict, ...]
    leakage: Mapping[str, int]
    """What is shared (``test_rows_in_train`` ...) to rows."""
    leak_looks: tuple[LeakLook, ...]
    warnings: tuple[str, ...]
    faults: Mapping[str, Mapping[str, int]]
    first_faults: Mapping[str, tuple[str, ...]]
    """Each as ``file:line [field] rule: message``."""
    dropped_by_reason: Mapping[str, Mapping[str, int]]
    changed: Mapping[str, Mapping[str, int]]
    """Rows that were repaired, by rule."""
    augmented: AddedRows | None
    """None when no new rows were asked for; an empty object in JSON."""
    labels: Mapping[str, int]
    """How many different labels."""
    tokens: Mapping[str, SplitTokens]
    too_long: Mapping[str, int]
    lint: tuple[LintCount, ...]
    notes: tuple[str, ...]
    rendered: tuple[Example, ...]
    """The first training examples."""

    def to_json(self) -> dict[str, object]:
        return {**every_field(self), "augmented": self.augmented or {}}
