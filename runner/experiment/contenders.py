"""Which recipes may still win once each has had one run (``replicates.of: contenders``)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.config import Suite
from runner.experiment.recipes import recipe_of, recipes
from runner.experiment.same_rows import rows_by_split, same_rows
from runner.records.results import ArmResult


def contenders(arms: Sequence[ArmResult], suite: Suite, seed: int) -> set[str]:
    """Digests of recipes that are not clearly worse than the best one on validation, by one run
    each. All of them where validation cannot tell.

    "Clearly" allows for the runs' spread, which one run of each says nothing about: it is taken to
    be as large as that of the rows, which it was where both were measured (Banking77, 800 rows:
    0.024 and 0.016; the quickstart, 80 rows: 0.04 and 0.05; 2026-11-27).
    """
    from runner.evaluation import contributions
    from runner.statistics.recipes import RunSpread, difference_estimate

    first = [arm for arm in arms if arm.kind == "tuned" and arm.replicate == 1]
    done = [arm for arm in first if arm.status == "done"]
    every = {recipe_of(arm) for arm in first}
    ranked = recipes(done, suite, seed)
    if not ranked or ranked[0].validation != ranked[0].validation:
        return every
    if len(same_rows(done, "validation")) != 1:
        return every
    rows = {arm.digest: rows_by_split(arm, "validation") for arm in done}
    if not all(rows.values()):
        return every
    measured = contributions(rows, suite.primary, suite)
    best, nothing = ranked[0].arms[0], RunSpread()
    kept = set()
    for recipe in ranked:
        ours = measured.values[recipe.arms[0]][None]
        gap = difference_estimate(ours, measured.values[best][None], nothing)
        reach = 2 * math.sqrt(2) * gap.error
        if recipe.arms[0] == best or measured.scale.gain(gap.value) + reach >= 0:
            kept.add(recipe.digest)
    return kept
