"""What may not get worse, and whether it did: the gates of a suite, and a guard's rows."""

from __future__ import annotations

import math

from runner.records import UNKNOWN, Scale
from runner.records.results import ResultRecord

GUARD = "guard"
"""What the rows of a guard are called beside the splits of the data."""
KIND = "kind"
"""The slice of a guard's row that says what it looks for."""
OTHER = "other"
"""The kind of rows that name none."""


class GateResult(ResultRecord):
    """Whether the arm that would be shipped is shown not to be worse than another by a margin."""

    asked_by: str = "suite.not_worse"
    """The key that asks for it; the other one is ``guard.required``."""
    score: str
    margin: float
    """In the score's unit."""
    than: str
    """Name of the arm that it is held against, with its experiment where that is another one."""
    arm: str
    """Name of the arm, or of its recipe where that has replicates."""
    passed: bool
    why: str = ""
    """Why nothing can be said; empty where it was tested."""
    ours: float = math.nan
    theirs: float = math.nan
    gain: float = math.nan
    """The difference with its sign turned so that more is better."""
    least: float = math.nan
    """The one-sided limit of `gain`: it is at least this, but for the chance of error."""
    p: float = math.nan
    """One-sided, of a loss of `margin` or more; times `looks`."""
    method: str = ""
    """The test, in words."""
    looks: int = 1
    """Of how many arms the same test rows chose this one; 1 where validation did."""
    confidence: float = 0.95
    """One-sided, of `least`."""
    rows: int = 0
    groups: int = 0
    """Groups of rows that this goes by; 0 where every row stands for itself."""
    runs: int = 0
    """Replicates that this is the mean of, so that it holds for other runs as well; 0 for one
    checkpoint, which goes by the rows alone."""
    scale: Scale = UNKNOWN


class GuardKind(ResultRecord):
    """The rows of one kind: how many of them the tuned and the untuned model meet."""

    name: str
    rows: int
    ours: int
    theirs: int


class GuardLoss(ResultRecord):
    """A row that the untuned model met and the tuned one does not."""

    id: str
    kind: str
    prompt: str
    conditions: str
    """As JSON."""
    before: str
    after: str


class GuardResult(ResultRecord):
    """One tuned arm on the guard's rows."""

    arm: str
    """Digest of the arm."""
    gate: GateResult
    """Whether it is shown not to be worse than the untuned model by the margin."""
    kinds: list[GuardKind] = []
    lost: int = 0
    """Rows that only the untuned model meets."""
    won: int = 0
    """Rows that only the tuned one meets."""
    losses: list[GuardLoss] = []
    """The first of the lost rows."""
