"""Everything that is looked for beyond curves, in the scores, answers and rows of one tuned arm."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.config.diagnosis import Diagnosis
from runner.diagnosis.answer_checks import (
    answers_cut,
    length_drift,
    one_class,
    prompts_differ,
    rare_labels,
    regressions,
    repeated_rows,
)
from runner.diagnosis.compared import Compared
from runner.diagnosis.outcome import Checker, Outcome, Unseen
from runner.diagnosis.score_checks import (
    base_knows,
    cost_high,
    leak_suspicious,
    metrics_disagree,
    slice_lags,
    small_gain,
    validation_unlike_test,
)

CROSS_CHECKS: Mapping[str, Checker] = MappingProxyType(
    {
        "leak_suspicious": leak_suspicious,
        "base_knows": base_knows,
        "small_gain": small_gain,
        "validation_unlike_test": validation_unlike_test,
        "one_class": one_class,
        "answers_cut": answers_cut,
        "slice_lags": slice_lags,
        "regressions": regressions,
        "length_drift": length_drift,
        "rare_labels": rare_labels,
        "metrics_disagree": metrics_disagree,
        "prompts_differ": prompts_differ,
        "cost_high": cost_high,
    }
)


def cross_check(compared: Compared, limits: Diagnosis) -> dict[str, Outcome]:
    """Every check of `CROSS_CHECKS` with its outcome, and ``memorised_duplicates`` by counting."""
    checks = {**CROSS_CHECKS, "memorised_duplicates": repeated_rows}
    return {
        name: check(compared, getattr(limits, name))
        if getattr(limits, name).look
        else Unseen(f"switched off by diagnosis.{name}.look")
        for name, check in checks.items()
    }
