"""From what is known of the tuned arms to one list of findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.config.diagnosis import Diagnosis
from runner.diagnosis.compared import Compared
from runner.diagnosis.cross_checks import CROSS_CHECKS, cross_check
from runner.diagnosis.curves import CHECKS, diagnose_curves
from runner.diagnosis.outcome import Outcome, Unseen
from runner.diagnosis.tuned import Tuned
from runner.records.findings import SEVERITIES, CheckResult, Finding, Findings

IDS = (*CHECKS, *CROSS_CHECKS)
"""Every finding there is."""


@dataclass(frozen=True, slots=True)
class Patient:
    """One tuned arm to be looked at."""

    digest: str
    name: str
    tuned: Tuned | None = None
    """None where nothing was trained."""
    compared: Compared | None = None
    """None where it did not come to an end."""
    status: str = "done"


def diagnose(arms: Sequence[Patient], focus: str, limits: Diagnosis) -> Findings:
    """Every check of every arm. `focus` is the digest of the arm that would be shipped: what is
    found in it comes first."""
    found: list[Finding] = []
    checks: list[CheckResult] = []
    for arm in arms:
        for name, outcome in _outcomes(arm, limits).items():
            told = {"arm": arm.digest, "arm_name": arm.name}
            if isinstance(outcome, Finding):
                found.append(outcome.model_copy(update=told))
                checks.append(CheckResult(id=name, outcome="found", **told))
            else:
                state = "not_looked_at" if isinstance(outcome, Unseen) else "not_found"
                checks.append(
                    CheckResult.model_validate(
                        {"id": name, "outcome": state, "why": outcome.why, **told}
                    )
                )
    found.sort(key=lambda each: _order(each, focus))
    return Findings(found=found, checks=checks, focus=focus)


def _order(finding: Finding, focus: str) -> tuple[bool, int, float]:
    return finding.arm != focus, SEVERITIES.index(finding.severity), -finding.confidence


def _outcomes(arm: Patient, limits: Diagnosis) -> Mapping[str, Outcome]:
    """All checks of one arm, in the order of `IDS`."""
    nothing = Unseen(f"the arm is {arm.status}")
    none: dict[str, Outcome] = dict.fromkeys(IDS, nothing)
    curves = diagnose_curves(arm.tuned, limits) if arm.tuned else {}
    crossed = cross_check(arm.compared, limits) if arm.compared else {}
    both = {**none, **curves, **crossed}
    if "memorised_duplicates" in curves:
        counted = crossed.get("memorised_duplicates", nothing)
        both["memorised_duplicates"] = _surer(counted, curves["memorised_duplicates"])
    return both


def _surer(counted: Outcome, drawn: Outcome) -> Outcome:
    """Of rows that were counted and a curve that was looked at: what was found, else what was
    looked at."""
    for outcome in (counted, drawn):
        if isinstance(outcome, Finding):
            return outcome
    return drawn if isinstance(counted, Unseen) else counted
