"""What a selection came to: the rows that are used, and why each other one is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.select.clusters import SimilarityClusters

    Order = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is not used; `matched` is the row it was held against."""

    reason: str
    method: str = ""
    score: float | None = None
    matched: int = -1


@dataclass(slots=True)
class Choice:
    """What was chosen of `rows` rows."""

    chosen: NDArray[np.bool_]
    reasons: dict[int, Reason] = field(default_factory=dict)
    """Of rows that a rule dropped; all others that are not chosen were simply not drawn."""
    notes: list[str] = field(default_factory=list)
    clusters: SimilarityClusters | None = None
    matched: dict[int, Row] = field(default_factory=dict)
    """The rows that `reasons` point at."""

    def reason(self, row: int) -> Reason:
        return self.reasons.get(row, Reason("not_selected"))
