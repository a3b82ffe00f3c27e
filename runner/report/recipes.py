"""Recipes on the report page: every replicate as a dot, their mean, and what is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.base.text import plural
from runner.records.experiments import ExperimentResult, RecipeResult
from runner.records.results import Difference
from runner.report.charts import ChartEntry, ChartLine, ruler, scale, track
from runner.report.format import MISSING, decimals, interval, number, p_value, signed
from runner.report.scoreboard import ScoreboardLine, to_beat

VERDICTS = {
    "better": ("better", "worse"),
    "worse": ("worse", "better"),
    "equivalent": ("equivalent", "equivalent"),
    "undecided": ("undecided", "undecided"),
}
"""What an outcome says of the recipe itself, and of the one it is the rival of."""


@dataclass(frozen=True, slots=True)
class RecipeGap:
    """A difference as the table has it; `css` is ``better``, ``worse`` or ``open``."""

    text: str
    between: str
    outcome: str
    css: str
    settles: str
    title: str


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """One recipe."""

    name: str
    css: str
    replicates: int
    mean: str
    between: str
    deviation: str
    untuned: RecipeGap | None
    best: RecipeGap | None
    tied: bool
    cheapest: bool
    shipped: str


@dataclass(frozen=True, slots=True)
class Recipes:
    """The section; `tracks` are those of `rows`, then the untuned arm's."""

    rows: list[RecipeRow]
    tracks: list[ChartLine]
    ruler: Markup
    bar: str
    """The untuned arm that they are held against, and what it is; empty where there is none."""
    skipped: int


def recipes(
    lines: Sequence[ScoreboardLine],
    result: ExperimentResult,
    looks: Mapping[str, str],
    places: int,
) -> Recipes | None:
    """None without replicates."""
    if not any(len(each.arms) > 1 for each in result.recipes):
        return None
    by_digest = {line.arm.digest: line for line in lines}
    untuned = {item.arm: item for item in result.recipe_differences if not item.runs[1]}
    rivals = {item.against: item for item in result.recipe_differences if item.runs[1]}
    entries = [
        ChartEntry(
            each.name,
            looks.get(each.digest, ""),
            each.test,
            "",
            tuple(each.scores),
            each.arms.index(each.shipped),
        )
        for each in result.recipes
    ]
    against = next(iter(untuned.values()), None)
    bar = by_digest.get(against.against) if against else None
    if bar:
        look = looks.get(bar.arm.digest, "")
        entries.append(ChartEntry(bar.arm.name, look, bar.test, "to beat"))
    axis = scale(entries)
    reference = bar.test.value if bar and bar.test else None
    return Recipes(
        [
            _row(each, result, looks, places, untuned.get(each.digest), rivals.get(each.digest))
            for each in result.recipes
        ],
        [track(entry, axis, places, reference) for entry in entries],
        ruler(axis),
        f"{bar.arm.name}, {to_beat(result, bar)}" if bar else "",
        sum(arm.status == "skipped" for arm in result.arms),
    )


def _row(
    recipe: RecipeResult,
    result: ExperimentResult,
    looks: Mapping[str, str],
    places: int,
    untuned: Difference | None,
    rival: Difference | None,
) -> RecipeRow:
    score, tied = recipe.test, recipe.digest in result.tied and len(result.tied) > 1
    sealed = any(result.arm(digest).sealed for digest in recipe.arms)
    return RecipeRow(
        name=recipe.name,
        css=looks.get(recipe.digest, ""),
        replicates=len(recipe.arms),
        mean="sealed" if sealed else number(score.value if score else None, places),
        between=interval(score.low, score.high, places) if score else "",
        deviation=number(recipe.deviation, places) if recipe.deviation >= 0 else MISSING,
        untuned=_gap(untuned, 0) if untuned else None,
        best=_gap(rival, 1) if rival else None,
        tied=tied,
        cheapest=tied and result.tied[0] == recipe.digest,
        shipped=next(arm.name for arm in result.arms if arm.digest == recipe.shipped),
    )


def _gap(found: Difference, side: int) -> RecipeGap:
    """The difference from the side of the recipe in the row: 0 is `arm`, 1 is `against`."""
    sign = -1 if side else 1
    ends = sorted((sign * found.low, sign * found.high))
    places = decimals([found])
    outcome = VERDICTS[found.outcome or "undecided"][side]
    errors = f"standard errors: rows {found.rows_error:.2g}, runs {found.runs_error:.2g}"
    return RecipeGap(
        text=signed(sign * found.value, places),
        between=interval(ends[0], ends[1], places),
        outcome=outcome,
        css=outcome if outcome in ("better", "worse") else "open",
        settles=found.settles,
        title=f"p = {p_value(found.p_holm)} after Holm's correction, over "
        f"{plural(found.n, 'row')}; {errors}",
    )


def one_run_each(result: ExperimentResult) -> bool:
    """Whether several recipes were tuned with one run each, so that nothing is known of them."""
    tuned = [arm for arm in result.arms if arm.kind == "tuned"]
    return len(tuned) > 1 and all(arm.replicate == 1 for arm in tuned)
