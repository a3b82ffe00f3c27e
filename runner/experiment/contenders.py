"""Which recipes may still win once each has had one run (``replicates.of: contenders``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from runner.base.text import plural
from runner.config import Experiment
from runner.experiment.arms import Arm
from runner.experiment.console import Console
from runner.records.experiments import Spread
from runner.records.results import ArmResult
from runner.store.ledger import now_ms
from runner.verdict.recipes import pooled_spread, recipe_of, recipes
from runner.verdict.same_rows import reading_once, rows_by_split, same_rows


@reading_once()
def contenders(
    arms: Sequence[ArmResult], experiment: Experiment, earlier: Sequence[Spread]
) -> set[str]:
    """Digests of recipes that are not clearly worse than the best one on validation, by one run
    each: two standard errors of rows and runs. All of them where validation cannot tell.

    What runs vary by is known from `earlier` ones of the same model and suite; where there are
    none, it is what ``planning.run_deviation`` takes it to be.
    """
    from runner.evaluation import contributions
    from runner.statistics.recipes import RunSpread, difference_estimate

    suite = experiment.suite
    first = [arm for arm in arms if arm.kind == "tuned" and arm.replicate == 1]
    done = [arm for arm in first if arm.status == "done"]
    every = {recipe_of(arm) for arm in first}
    ranked = recipes(done, suite, experiment.seed)
    if not ranked or ranked[0].validation != ranked[0].validation:
        return every
    if len(same_rows(done, "validation")) != 1:
        return every
    rows = {arm.digest: rows_by_split(arm, "validation") for arm in done}
    if not all(rows.values()):
        return every
    measured = contributions(rows, suite.primary, suite)
    spread = pooled_spread(earlier, suite, experiment.model.name)
    runs = spread.runs
    if not spread.degrees:
        runs = (experiment.planning.run_deviation * (measured.scale.width or 1.0)) ** 2
    best, nothing = ranked[0].arms[0], RunSpread()
    kept = set()
    for recipe in ranked:
        ours = measured.values[recipe.arms[0]][None]
        gap = difference_estimate(ours, measured.values[best][None], nothing)
        reach = 2 * math.sqrt(gap.rows + 2 * runs)
        if recipe.arms[0] == best or measured.scale.gain(gap.value) + reach >= 0:
            kept.add(recipe.digest)
    return kept


def repeated(
    waiting: Sequence[tuple[int, Arm]],
    results: Mapping[str, ArmResult],
    earlier: Sequence[Spread],
    save: Callable[[ArmResult], None],
    console: Console,
) -> list[tuple[int, Arm]]:
    """Those of the `waiting` replicates whose recipe may still win; the others are skipped, which
    `save` is told. `results` are of all arms."""
    able = contenders(list(results.values()), waiting[0][1].experiment, earlier)
    all_of = {arm.recipe for _, arm in waiting}
    console.say(
        f"{len(all_of & able)} of {plural(len(all_of), 'recipe')} may still win on validation: "
        "only those are repeated"
    )
    for _, arm in waiting:
        # A replicate that was run before, when its recipe could still win, stays what it is.
        if arm.recipe not in able and results[arm.digest].status != "done":
            save(arm.pending().model_copy(update={"status": "skipped", "ended_ms": now_ms()}))
    return [(n, arm) for n, arm in waiting if arm.recipe in able]
