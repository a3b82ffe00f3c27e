"""The bank: really tuned runs and scripted curves, each with a known illness or none.

Asked are at least 95 in 100 right and at most one healthy run in twenty called ill. The thresholds
were chosen with an eye on the tuned runs, and on scripted curves of other seeds than these.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from runner.config import Diagnosis
from runner.diagnosis.curves import diagnose_curves
from runner.records.findings import Finding
from tests.diagnosis.bank import Banked, bank
from tests.diagnosis.judging import first_of
from tests.diagnosis.scripted import scripts, tuned_by

LIMITS = Diagnosis()
TUNED = list(bank())
SEEDS = range(2000, 2010)


def scripted() -> list[Banked]:
    """Every kind of script once for each seed."""
    return [
        Banked(f"scripted {kind}", seed, script.expected, tuned_by(script, 100 * seed + kind))
        for seed in SEEDS
        for kind, script in enumerate(scripts(random.Random(seed)))
    ]


SCRIPTED = scripted()
WRONG_AT_MOST, FALSE_ALARMS_AT_MOST = 0.05, 0.05


def judged(runs: list[Banked]) -> tuple[dict[str, str], Counter[str]]:
    """Runs that were judged wrongly with what was said, and how many healthy and ill ones were."""
    wrong, counts = {}, Counter[str]()
    for run in runs:
        said = first_of(diagnose_curves(run.tuned, LIMITS))
        kind = "ill" if run.expected else "healthy"
        right = said in run.expected if run.expected else not said
        counts[kind] += 1
        if not right:
            counts[f"{kind}, wrong"] += 1
            wrong[f"{run.name} (seed {run.seed})"] = said or "nothing"
    return wrong, counts


def test_the_bank_is_large_and_has_every_illness() -> None:
    assert len(TUNED) >= 30
    assert len(TUNED) + len(SCRIPTED) >= 60
    illnesses = {each for run in [*TUNED, *SCRIPTED] for each in run.expected}
    curves = set(diagnose_curves(TUNED[0].tuned, LIMITS))
    assert illnesses == curves


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([*TUNED, *SCRIPTED], id="all"),
        pytest.param(TUNED, id="tuned"),
        pytest.param(SCRIPTED, id="scripted"),
    ],
)
def test_the_bank_is_judged_rightly(runs: list[Banked]) -> None:
    wrong, counts = judged(runs)
    assert len(wrong) <= WRONG_AT_MOST * len(runs), wrong
    assert counts["healthy, wrong"] <= FALSE_ALARMS_AT_MOST * counts["healthy"], wrong


def test_no_rate_is_both_too_high_and_too_low() -> None:
    for run in [*TUNED, *SCRIPTED]:
        outcomes = diagnose_curves(run.tuned, LIMITS)
        found = {name for name, each in outcomes.items() if isinstance(each, Finding)}
        high = found & {"learning_rate_high", "divergence"}
        assert not (high and "learning_rate_low" in found), run.name
