"""How rows came out in one arm against another: counts, p, and which rows they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.base.text import plural
from runner.records.results import ResultRecord, in_groups

Change = Literal["fixed", "regressed", "unchanged"]


class RowChanges(ResultRecord):
    """How many rows one arm fixes and breaks that another got wrong and right."""

    arm: str
    """Digest of the arm, which comes after."""
    against: str
    """Digest of the arm that it is held against, which comes before."""
    metric: str = ""
    """The score whose row values decide; empty where no score has row values."""
    primary: str = ""
    """The score that was asked for, where another one stands in for it."""
    tolerance: float = 0.0
    """A row counts as changed when its own score changes by more, in the score's unit."""
    fixed: int = 0
    """Rows whose own score is better."""
    regressed: int = 0
    """Rows whose own score is worse."""
    unchanged: int = 0
    left_out: int = 0
    """Rows that one of the two has no score for, or that have other targets."""
    p: float = math.nan
    """Two-sided: fixed and regressed rows as often as each other. Not corrected for other
    comparisons; nan where nothing can be said, and `note` says why."""
    test: str = ""
    """How p was found."""
    groups: int = 0
    """Groups of rows that p goes by; 0 where every row stands for itself."""
    note: str = ""
    """What a reader should know: a score that stands in, or why there is no p."""
    file: str = ""
    """Where the row ids are (`RowLists` as JSON); empty where they were not written."""
    table: str = ""
    """Where the changed rows are with their texts (`ChangedRow`s as JSONL); empty where they were
    not written."""

    @property
    def rows(self) -> int:
        """Rows that count."""
        return self.fixed + self.regressed + self.unchanged

    @property
    def rule(self) -> str:
        """What makes a row fixed or regressed, in words."""
        much = f" by more than {self.tolerance:g}" if self.tolerance else " at all"
        return f"A row is fixed or regressed when its own {self.metric} changes{much}."

    @property
    def basis(self) -> str:
        """``50 rows in 10 groups``."""
        return in_groups(plural(self.rows, "row"), self.groups)


class RowLists(ResultRecord):
    """The counts, and the ids of the rows in the order of the test split."""

    changes: RowChanges
    fixed: list[str]
    regressed: list[str]
    unchanged: list[str]

    def changed(self) -> dict[str, Change]:
        """Row id to how it came out, of those that changed."""
        found: dict[str, Change] = dict.fromkeys(self.fixed, "fixed")
        return found | dict.fromkeys(self.regressed, "regressed")


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """One row with both answers to it."""

    id: str
    change: Change
    before: float
    """The row's own score under the arm that is held against."""
    after: float
    prompt: str
    target: str
    references: tuple[str, ...]
    answer_before: str
    """Square brackets say why there is no answer."""
    answer_after: str
    slices: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        names = ("id", "change", "before", "after", "prompt", "target")
        return {
            **{name: getattr(self, name) for name in names},
            "references": list(self.references),
            "answer_before": self.answer_before,
            "answer_after": self.answer_after,
            "slices": dict(self.slices),
        }
