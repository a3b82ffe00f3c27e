"""What was diagnosed: findings, and for every check whether it found something, found nothing, or
could not look.
"""

from __future__ import annotations

from typing import Literal

from runner.records.results import ResultRecord

Severity = Literal["severe", "warning", "note"]
"""`severe`: do not ship. `warning`: the next run should be another one. `note`: worth knowing."""

SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")
"""The worst first."""

Outcome = Literal["found", "not_found", "not_looked_at"]


class Mark(ResultRecord):
    """The point of a curve that a finding is about."""

    curve: str
    """Name of a curve (see `CurvePoint`), or of the suite's primary score."""
    step: float
    value: float
    label: str
    """What the point is, in few words: ``lowest``, ``end``."""


class Finding(ResultRecord):
    """One diagnosed fact, what it rests on and what to do about it."""

    id: str
    """Stable: one of `diagnosis` in the configuration."""
    severity: Severity
    confidence: float
    """How sure it is that this is what happened, 0 to 1. A rule of thumb, not a probability that
    was measured."""
    title: str
    evidence: str
    """The numbers in one sentence."""
    cause: str
    """What it most probably comes from."""
    advice: str
    """What to do, in one sentence."""
    override: str = ""
    """What to type after ``sft run EXP`` to do it; empty where no override does."""
    arm: str = ""
    """Digest of the arm; empty where it is about the experiment."""
    arm_name: str = ""
    numbers: dict[str, float] = {}
    """The evidence by name."""
    marks: list[Mark] = []
    rows: list[str] = []
    """Ids of the rows it is about, at most a handful."""


class CheckResult(ResultRecord):
    """What one check came to in one arm, or in the experiment."""

    id: str
    outcome: Outcome
    arm: str = ""
    arm_name: str = ""
    why: str = ""
    """Why it could not look, or what else explains what it would have found."""


class Findings(ResultRecord):
    """Everything that was diagnosed about one experiment."""

    found: list[Finding] = []
    """Those of the arm in focus first, then the worst and surest."""
    checks: list[CheckResult] = []
    focus: str = ""
    """Digest of the arm that would be shipped: the winner, else the one that validation likes best;
    empty where nothing was tuned."""

    @property
    def unseen(self) -> dict[str, list[CheckResult]]:
        """Checks that could not look, by id."""
        missed: dict[str, list[CheckResult]] = {}
        for check in self.checks:
            if check.outcome == "not_looked_at":
                missed.setdefault(check.id, []).append(check)
        return missed
