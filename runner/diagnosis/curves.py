"""Everything that is looked for in the curves of one tuned arm, and which finding explains which.

One cause shows in several ways: a learning rate that is too low also leaves the loss falling at the
end. What another finding explains is not said twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from runner.config.diagnosis import Diagnosis
from runner.diagnosis.outcome import Checker, Clear, Outcome, Unseen
from runner.diagnosis.rate import divergence, learning_rate_high, learning_rate_low
from runner.diagnosis.rows import (
    data_issue,
    memorised_duplicates,
    validation_small,
    validation_unlike_training,
)
from runner.diagnosis.shape import overfitting, plateau, suboptimal
from runner.diagnosis.tuned import Tuned
from runner.records.findings import Finding

CHECKS: Mapping[str, Checker] = MappingProxyType(
    {
        "divergence": divergence,
        "learning_rate_high": learning_rate_high,
        "learning_rate_low": learning_rate_low,
        "data_issue": data_issue,
        "validation_unlike_training": validation_unlike_training,
        "memorised_duplicates": memorised_duplicates,
        "plateau": plateau,
        "overfitting": overfitting,
        "suboptimal": suboptimal,
        "validation_small": validation_small,
    }
)
"""In the order in which one may explain the ones after it."""

EXPLAINS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "divergence": frozenset(
            {
                *("learning_rate_high", "learning_rate_low", "plateau", "overfitting"),
                *("suboptimal", "memorised_duplicates"),
            }
        ),
        "learning_rate_high": frozenset({"learning_rate_low", "plateau", "suboptimal"}),
        "learning_rate_low": frozenset({"plateau", "suboptimal", "validation_unlike_training"}),
        "validation_unlike_training": frozenset({"plateau", "suboptimal"}),
        "memorised_duplicates": frozenset({"overfitting", "suboptimal"}),
        "plateau": frozenset({"suboptimal"}),
        "overfitting": frozenset({"suboptimal"}),
    }
)
"""A finding to those that it explains."""


def diagnose_curves(tuned: Tuned, limits: Diagnosis) -> dict[str, Outcome]:
    """Every check of `CHECKS` with its outcome."""
    found: dict[str, Outcome] = {}
    for name, check in CHECKS.items():
        settings: Any = getattr(limits, name)
        by = next((other for other in found if _explained(found[other], other, name)), None)
        if not settings.look:
            found[name] = Unseen(f"switched off by diagnosis.{name}.look")
        elif by is not None:
            found[name] = Clear(f"what there is to see is explained by {by}")
        else:
            found[name] = check(tuned, settings)
    return found


def _explained(outcome: Outcome, by: str, name: str) -> bool:
    return isinstance(outcome, Finding) and name in EXPLAINS.get(by, frozenset())
