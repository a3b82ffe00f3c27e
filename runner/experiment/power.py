"""What an experiment can show, before it is paid for: the smallest difference that so many rows and
replicates are able to find.

What rows and runs vary by is taken from earlier experiments of the home with the same model, suite
and metric; where there are none, from `planning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.config import Suite
from runner.experiment.plan import PlannedArm
from runner.verdict.recipes import earlier_spreads, pooled_spread

if TYPE_CHECKING:
    from runner.experiment.run import Sweep


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest true differences that are found in 80 % of cases at the suite's level."""

    metric: str
    rows: int
    replicates: int
    recipes: int
    """Those that are compared with each other on test."""
    untuned: float
    """Of a recipe, or with one replicate of a checkpoint, from the untuned model."""
    between: float | None
    """Of two recipes; None with one replicate, which says nothing about recipes."""
    basis: str
    """Where the variances are from."""
    warnings: tuple[str, ...] = ()


def detectable(sweep: Sweep, lines: Sequence[PlannedArm]) -> Detectable | None:
    """None where nothing is tuned or the primary score has no bounds to plan by."""
    from runner.evaluation import primary_scale
    from runner.statistics.recipes import smallest_difference

    tuned = [arm for arm in sweep.arms if arm.kind == "tuned"]
    if not tuned:
        return None
    suite, model = tuned[0].experiment.suite, tuned[0].experiment.model.name
    rows = min(line.test_rows for line in lines if line.kind == "tuned")
    # A sealed test split answers for one recipe: it tells none from another.
    recipes = 1 if suite.sealed else len({arm.recipe for arm in tuned})
    replicates = min(
        sum(arm.recipe == one.recipe for arm in tuned) for one in tuned if one.replicate == 1
    )
    scale = primary_scale(suite)
    if scale is None or not scale.width or rows < 2:
        return None
    width = scale.width
    known = pooled_spread(
        earlier_spreads(sweep.ledger.experiments(), sweep.result.digest), suite, model
    )
    values = tuned[0].experiment.planning
    if known.degrees:
        runs, row = known.runs, 2 * known.residual
        basis = f"earlier replicates of {model}, {known.degrees:g} degrees of freedom"
    else:
        runs, row = (values.run_deviation * width) ** 2, values.row_variance * width**2
        basis = "the values under planning: no earlier replicates tell"
    level = suite.bootstrap.confidence
    alone = replicates == 1
    untuned = smallest_difference(
        rows, replicates, row, 0.0 if alone else runs, untuned=True, confidence=level
    )
    between = None
    if not alone and recipes > 1:
        count = recipes - 1
        between = smallest_difference(
            rows, replicates, row, runs, comparisons=count, confidence=level
        )
    found = Detectable(suite.primary, rows, replicates, recipes, untuned, between, basis)
    warnings = [*_warnings(found, suite.margin, values.large * width)]
    # One-sided, so the two-sided level of twice the error; an equal model has to get through.
    margin = smallest_difference(
        rows, replicates, row, 0.0 if alone else runs, untuned=True, confidence=2 * level - 1
    )
    warnings += _narrow(suite, margin, rows)
    return replace(found, warnings=tuple(warnings))


def _narrow(suite: Suite, margin: float, rows: int) -> Iterator[str]:
    """The gates that an equally good model would often not pass."""
    for at, gate in enumerate(suite.not_worse):
        if gate.score in (None, suite.primary) and gate.margin < margin:
            yield (
                f"suite.not_worse[{at}].margin is {gate.margin:g}: on {rows} test rows a model that"
                f" is just as good passes in less than 80 % of cases; a margin of {margin:.3g}, or"
                " more test rows, would do"
            )


def _warnings(found: Detectable, margin: float | None, large: float) -> Iterator[str]:
    if found.recipes > 1 and found.replicates == 1:
        yield (
            f"{found.recipes} recipes with one run each: this experiment can say which checkpoint "
            "is better than the untuned model, and nothing about which recipe is better; "
            "replicates: 3 could"
        )
    if found.untuned > large:
        yield (
            f"only differences of {found.untuned:.3g} or more from the untuned model would be "
            f"found on {found.rows} test rows: more test rows or replicates are needed for less"
        )
    if margin is not None and found.between is not None and found.between > margin:
        yield (
            f"suite.margin is {margin:g}, but differences below {found.between:.3g} cannot be told "
            "from none here: nothing will be called equivalent"
        )
