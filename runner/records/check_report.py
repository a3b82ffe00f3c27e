"""What ``sft check`` says about a prepared and a rendered folder, for people and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.records.json_form import every_field, fields_of
from runner.records.leaks import LeakCheck
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
    leak_looks: tuple[LeakCheck, ...]
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


@dataclass(frozen=True, slots=True)
class CheckFiles:
    """What the check wrote, and the files it rests on; empty where there is none."""

    data_card: str
    skew_page: str
    leaks_page: str
    dropped: str
    unused: str
    faults_file: str
    augmented_file: str
    gemini_train: str
    gemini_validation: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One data treatment, checked."""

    arms: tuple[str, ...]
    data: DataReport
    gemini_faults: tuple[str, ...]
    gemini_warnings: tuple[str, ...]
    query_bytes: int | None
    """Bytes that reading the source once more costs; None where it is no query."""
    suite_faults: tuple[str, ...]
    suite_warnings: tuple[str, ...]
    """Where the suite would not score right answers as such."""
    skew: tuple[str, ...] | None
    """Where production differs from the tuning prompts; None when it was not asked."""
    skew_refused: tuple[str, ...]
    files: CheckFiles

    def to_json(self) -> dict[str, object]:
        """Everything on one level, as scripts know it."""
        billed = {} if self.query_bytes is None else {"query_bytes": self.query_bytes}
        return {
            "arms": self.arms,
            **fields_of(self.data),
            "gemini_faults": self.gemini_faults,
            "gemini_warnings": self.gemini_warnings,
            **billed,
            "suite_faults": self.suite_faults,
            "suite_warnings": self.suite_warnings,
            "skew": self.skew,
            "skew_refused": self.skew_refused,
            **fields_of(self.files),
        }
