"""What a diagnosis comes to in one word, as the banks of curves are judged."""

from __future__ import annotations

from collections.abc import Mapping

from runner.diagnosis.outcome import Outcome
from runner.records.findings import SEVERITIES, Finding


def first_of(outcomes: Mapping[str, Outcome]) -> str:
    """Id of the worst and surest finding, notes left out; empty for a healthy run."""
    found = [
        each for each in outcomes.values() if isinstance(each, Finding) and each.severity != "note"
    ]
    found.sort(key=lambda each: (SEVERITIES.index(each.severity), -each.confidence))
    return found[0].id if found else ""
