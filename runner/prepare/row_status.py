"""What becomes of every row: one reason each, the step it belongs to, the row it matched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.records import Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DropReason:
    """Why a row leaves train (or, for `cap`, its own split)."""

    name: str
    step: str
    against: str = ""
    """Split of the row it matched; empty for its own."""


EXACT = DropReason("exact_duplicate", "dedup")
CONFLICT = DropReason("conflict", "dedup")
NEAR = DropReason("near_duplicate", "dedup")
SPAN = DropReason("repeated_span", "dedup")
"""Decided after the split, when evaluation rows are out of reach; counted with the repeats."""
CAP = DropReason("cap", "split")
TO_VALIDATION = DropReason("moved_to_validation", "split")
TO_TEST = DropReason("moved_to_test", "split")
LEAK_VALIDATION = DropReason("leak_validation", "leakage", "validation")
LEAK_TEST = DropReason("leak_test", "leakage", "test")
GROUP_VALIDATION = DropReason("group_in_validation", "leakage", "validation")
GROUP_TEST = DropReason("group_in_test", "leakage", "test")
LEAK_SUITE = DropReason("leak_suite", "leakage", "suites")

REASONS = (
    None,
    EXACT,
    CONFLICT,
    NEAR,
    CAP,
    TO_VALIDATION,
    TO_TEST,
    LEAK_VALIDATION,
    LEAK_TEST,
    GROUP_VALIDATION,
    GROUP_TEST,
    SPAN,
    LEAK_SUITE,
)
"""Position is the code in `RowStatus.code`; 0 stays."""
STEPS = ("dedup", "split", "leakage")


class RowStatus:
    """The status of the rows of one split. A row that has left is never dropped again."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        self.code: NDArray[np.uint8] = np.zeros(rows, np.uint8)
        self.match: Indices = np.full(rows, -1, np.int64)
        """Index of the matched row in the split that the reason names; -1 for none."""
        self.score: dict[int, float] = {}
        """Similarity of rows that are like another one, by row."""
        self.method: dict[int, str] = {}
        """How it was found out that they are, where that is not by their equal inputs."""
        self.changed: Counter[str] = Counter()
        """Rows that stay with another text than they were read with, by reason."""

    @property
    def stays(self) -> Mask:
        left: Mask = self.code == 0
        return left

    def drop(self, rows: Mask, reason: DropReason, match: Indices | None = None) -> None:
        """Let those of `rows` go that are still there. `match` is parallel to all rows."""
        going = rows & self.stays
        self.code[going] = REASONS.index(reason)
        if match is not None:
            self.match[going] = match[going]

    def of(self, reason: DropReason) -> Mask:
        fallen: Mask = self.code == REASONS.index(reason)
        return fallen

    def count(self, reason: DropReason) -> int:
        return int(self.of(reason).sum())

    def tallies(self, split: str) -> list[Tally]:
        """One tally a step; what a step keeps is counted, not computed from what it drops."""
        import numpy as np

        left_at = np.array([0] + [STEPS.index(r.step) + 1 for r in REASONS if r])[self.code]
        rows_in, tallies = len(self.code), []
        for number, step in enumerate(STEPS, start=1):
            kept = int(((left_at == 0) | (left_at > number)).sum())
            reasons = [reason for reason in REASONS if reason and reason.step == step]
            dropped = Counter({r.name: self.count(r) for r in reasons if self.count(r)})
            changed = self.changed if step == SPAN.step else Counter[str]()
            tallies.append(Tally(step, split, rows_in, kept, dropped, Counter(changed)))
            rows_in = kept
        return tallies
