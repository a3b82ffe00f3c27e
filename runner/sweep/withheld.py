"""The gate `suite.max_unanswered`: no arm wins on rows that too many answers are missing from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runner.config import Suite
from runner.results import ArmResult

NO_SKILL = ("blocked", "refused", "too_long", "unknown")
"""Causes that say nothing about how well a model does the task."""


def refusal(
    winner: ArmResult, against: ArmResult | None, arms: Sequence[ArmResult], suite: Suite
) -> str:
    """Why there is no winner, in one sentence; empty when the gate has nothing to say.

    The arm that would win has to answer, whatever keeps it. An untuned arm may talk past the token
    limit or write no JSON, which is what tuning is for; but beating one that was blocked proves
    nothing. On common rows every arm counts, since one that answers little takes everyone's rows.
    """
    most = suite.max_unanswered
    if most is None:
        return ""
    looked_at = [(winner, None)] + [(against, NO_SKILL)] * (against is not None)
    if suite.unanswered == "common":
        looked_at = [(arm, None) for arm in (winner, *arms) if arm.status == "done"]
    for arm, causes in looked_at:
        if arm and _share(arm, causes) > most:
            why = arm.test.why_unanswered(causes) if arm.test else ""
            return (
                f"No winner: {arm.name} left {why} "
                f"(suite.max_unanswered allows {100 * most:g} % of the test rows)."
            )
    return ""


def _share(arm: ArmResult, causes: Collection[str] | None) -> float:
    if arm.test is None or not arm.test.rows:
        return 0.0
    found = arm.test.unanswered
    return sum(n for cause, n in found.items() if causes is None or cause in causes) / arm.test.rows
