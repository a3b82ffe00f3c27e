"""Recipes: what an arm's settings are, with the replicates that were run of them.

A checkpoint is what is shipped, a recipe is what is claimed (`recipe_claims`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.config import Suite
from runner.records.experiments import ExperimentResult, RecipeResult, Spread
from runner.records.results import ArmResult, Scores
from runner.verdict.same_rows import chosen_on

if TYPE_CHECKING:
    from runner.statistics.recipes import RunSpread


def recipe_of(arm: ArmResult) -> str:
    """The recipe's digest; results from before there were replicates have one run of each."""
    return arm.recipe or arm.digest


def recipes(arms: Sequence[ArmResult], suite: Suite, seed: int) -> list[RecipeResult]:
    """Every recipe with a finished run, best mean on validation first, else as they come."""
    done = [arm for arm in arms if arm.kind == "tuned" and arm.status == "done"]
    on_validation = chosen_on(done, suite, seed)[0] if done else {}
    groups: dict[str, list[ArmResult]] = {}
    for arm in done:
        groups.setdefault(recipe_of(arm), []).append(arm)
    names = {arm.digest: arm.name for arm in arms}
    found = [
        _recipe(digest, names.get(digest, runs[0].name), runs, on_validation, suite)
        for digest, runs in groups.items()
    ]
    scores = (each.overall.get(suite.primary) for each in on_validation.values())
    scale = next((score.scale for score in scores if score), None)
    known = [each for each in found if each.validation == each.validation]
    unknown = [each for each in found if each.validation != each.validation]
    up = scale is None or scale.higher_is_better
    return sorted(known, key=lambda each: each.validation, reverse=up) + unknown


def _recipe(
    digest: str,
    name: str,
    runs: Sequence[ArmResult],
    on_validation: Mapping[str, Scores],
    suite: Suite,
) -> RecipeResult:
    chosen_by = {arm.digest: _value(on_validation.get(arm.digest), suite) for arm in runs}
    known = [value for value in chosen_by.values() if value == value]
    shipped = runs[0]
    for arm in runs[1:]:
        of = on_validation.get(arm.digest)
        if of and of.overall[suite.primary].scale.better(
            chosen_by[arm.digest], chosen_by[shipped.digest]
        ):
            shipped = arm
    scores = [_value(arm.test, suite) for arm in runs]
    return RecipeResult(
        digest=digest,
        name=name,
        arms=[arm.digest for arm in runs],
        shipped=shipped.digest,
        validation=sum(known) / len(known) if known else math.nan,
        test=shipped.test.overall.get(suite.primary) if shipped.test else None,
        scores=scores,
        deviation=_deviation([value for value in scores if value == value]),
    )


def _value(scores: Scores | None, suite: Suite) -> float:
    found = scores.overall.get(suite.primary) if scores else None
    return found.value if found else math.nan


def _deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


# What earlier runs tell of the spread of runs.


def earlier_spreads(
    known: Iterable[ExperimentResult], besides: str, arms: Sequence[ArmResult] = ()
) -> list[Spread]:
    """Of all other experiments of the home that had replicates, each tuning job once: one that
    shares a job with `arms`, or with an experiment that counts already, says nothing new."""
    seen, found = _jobs(arms), []
    for each in known:
        jobs = _jobs(each.arms)
        if each.spread and each.digest != besides and not jobs & seen:
            seen |= jobs
            found.append(each.spread)
    return found


def _jobs(arms: Sequence[ArmResult]) -> set[str]:
    return {arm.artifacts["tune"] for arm in arms if "tune" in arm.artifacts}


def pooled_spread(spreads: Iterable[Spread], suite: Suite, model: str) -> RunSpread:
    """Those of the same primary score, suite and model together; of no degrees of freedom where
    there are none."""
    from runner.statistics.recipes import RunSpread

    found = RunSpread()
    for each in spreads:
        if (each.metric, each.suite, each.model) == (suite.primary, suite.name, model):
            known = RunSpread(each.means, each.residual, each.rows, each.degrees)
            found = found.pooled(known) if found.degrees else known
    return found
