"""What is claimed of recipes: against the untuned model, and of one against another.

Whether a recipe is better is a question about runs that nobody has made yet, so it is answered with
the variance of rows and of runs (`runner.statistics.recipes`), and only where there are replicates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.config import Suite
from runner.records import ScoredRow
from runner.records.experiments import BaselineChoice, RecipeResult, Spread
from runner.records.results import ArmResult, Difference, Outcome, Score
from runner.verdict.baseline_choice import ahead_on_test, counted
from runner.verdict.ranking import primary_of, shown
from runner.verdict.recipes import pooled_spread
from runner.verdict.same_rows import rows_by_split, same_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.evaluation.comparison import Contributions
    from runner.statistics.recipes import Estimate, RunSpread

    Runs = NDArray[np.float64]


METHOD = "t, rows and runs"


@dataclass(frozen=True)
class Decided:
    """Everything that replicates allow to say."""

    recipes: list[RecipeResult]
    """With their means and the intervals of these."""
    differences: list[Difference]
    tied: list[str]
    spread: Spread | None
    notes: list[str]
    """What a reader should know about the spreads."""
    claim: Difference | None = None
    """Of the recipe that validation chose against the untuned arm: one test, chosen before, and so
    without the correction over recipes that `differences` have."""
    choice: BaselineChoice | None = None
    """How that untuned arm was chosen."""


def decide(
    arms: Sequence[ArmResult],
    found: Sequence[RecipeResult],
    suite: Suite,
    earlier: Sequence[Spread],
    choices: Sequence[BaselineChoice] = (),
) -> Decided:
    """Every recipe against the untuned arm of `choices`, and the one that validation likes best
    against every other; where there is no validation, none is the best.

    `found` are the `recipes` of `arms`; `earlier` are spreads of like recipes that the ledger
    knows, which count for as much as this experiment's own at most. Recipes that were asked other
    rows than the best one are left out, as no rows pair. Holm's correction goes over each of the
    two families. Without a recipe that has two runs nothing is claimed.
    """
    nothing = Decided(list(found), [], [], None, [])
    if not any(len(each.arms) > 1 for each in found):
        return nothing
    best = found[0]
    by_digest = {arm.digest: arm for arm in arms if arm.status == "done"}
    groups = same_rows(list(by_digest.values()))
    peers = next(group for group in groups if any(arm.digest in best.arms for arm in group))
    rows = {arm.digest: rows_by_split(arm) for arm in peers}
    look = look_at(rows, by_digest, found, suite, earlier)
    if look is None:
        return nothing
    choice = next((one for one in choices if set(one.held) & set(best.arms)), None)
    # What the test rows chose themselves would win on them by luck alone.
    chosen = best.validation == best.validation
    pairs, claim, notes = [], None, look.notes()
    if choice:
        against = [look.difference(each, by_digest[choice.arm]) for each in look.recipes]
        pairs += _corrected(against, suite, choice)
        mine = next((item for item in against if chosen and item.arm == best.digest), None)
        claim = outcome_of(_alone(mine, choice), suite) if mine else None
        if claim and (passed := _passed(claim, ahead_on_test(choice, peers, suite.primary))):
            claim = claim.model_copy(update={"outcome": "undecided"})
            notes.append(passed)
    others = [each for each in look.recipes if chosen and each.digest != best.digest]
    rivals = _corrected([look.difference(best, each) for each in others], suite)
    worse = {item.against for item in rivals if item.outcome == "better"}
    tied = [each for each in look.recipes if chosen and each.digest not in worse]
    means = {each.digest: look.mean(each) for each in look.recipes}
    return Decided(
        [means.get(each.digest, each) for each in found],
        [*pairs, *rivals],
        [each.digest for each in sorted(tied, key=lambda each: _cost(each, by_digest))],
        look.record(),
        notes,
        claim,
        choice,
    )


@dataclass(frozen=True)
class Look:
    """One set of rows that recipes and untuned arms have answered, as statistics."""

    suite: Suite
    recipes: list[RecipeResult]
    """Those with a run on these rows; `arms` are the runs on them."""
    contributions: Contributions
    spread: RunSpread
    own: RunSpread
    """Of this experiment alone."""
    usd: Mapping[str, float | None]
    model: str

    @property
    def confidence(self) -> float:
        return self.suite.bootstrap.confidence

    def runs(self, recipe: RecipeResult) -> Runs:
        import numpy as np

        return np.stack([self.contributions.values[digest] for digest in recipe.arms])

    def mean(self, recipe: RecipeResult) -> RecipeResult:
        """The recipe with its mean, and where it has several runs the interval of that."""
        from runner.statistics.recipes import mean_estimate

        if len(recipe.arms) < 2:
            return recipe
        estimate = mean_estimate(self.runs(recipe), self.spread, self.contributions.scale.width)
        there = [value for value in recipe.scores if value == value]
        value = sum(there) / len(there)
        low, high = estimate.interval(self.confidence)
        scale = self.contributions.scale
        low = max(low, -math.inf if scale.lowest is None else scale.lowest)
        high = min(high, math.inf if scale.highest is None else scale.highest)
        score = Score(
            value=value,
            low=low,
            high=high,
            n=self.contributions.rows,
            scale=scale,
            method=METHOD,
            groups=self.contributions.groups,
        )
        return recipe.model_copy(update={"test": score})

    def difference(self, one: RecipeResult, other: RecipeResult | ArmResult) -> Difference:
        import numpy as np

        from runner.statistics.recipes import difference_estimate

        ours = self.runs(one)
        untuned = isinstance(other, ArmResult)
        if isinstance(other, ArmResult):
            theirs = self.contributions.values[other.digest][None]
        else:
            theirs = self.runs(other)
        estimate = difference_estimate(
            ours, theirs, self.spread, untuned=untuned, width=self.contributions.scale.width
        )
        low, high = estimate.interval(self.confidence)
        margin, p = self.suite.margin, estimate.p()
        counts = (len(ours), 0 if untuned else len(theirs))
        return Difference(
            arm=one.digest,
            against=other.digest,
            metric=self.suite.primary,
            value=estimate.value,
            low=low,
            high=high,
            method=METHOD,
            groups=self.contributions.groups,
            p=p,
            p_holm=p,
            n=self.contributions.rows,
            discordant=int((np.ptp(np.concatenate([ours, theirs]), axis=0) > 0).sum()),
            scale=self.contributions.scale,
            ours=float(ours.mean()),
            theirs=float(theirs.mean()),
            runs=counts,
            rows_error=math.sqrt(estimate.rows),
            runs_error=math.sqrt(estimate.runs),
            degrees=estimate.degrees,
            outcome="undecided",
            p_equivalent=estimate.equivalent(margin) if margin else math.nan,
            settles=self._settles(estimate, counts, one),
        )

    def _settles(self, found: Estimate, counts: tuple[int, int], recipe: RecipeResult) -> str:
        """What would decide a difference of this size with a power of 80 %."""
        from runner.statistics.recipes import MOST_REPLICATES, needed

        more = needed(found, counts, self.contributions.rows)
        if more is None:
            return f"not even {MOST_REPLICATES} replicates"
        replicates, rows = more
        if replicates <= max(counts):
            return f"about {rows:,} test rows"
        usd = self.usd.get(recipe.digest)
        sides = 2 if counts[1] else 1
        extra = sides * replicates - sum(counts)
        price = f" (about {extra * usd:,.2f} USD)" if usd else ""
        return f"about {plural(replicates, 'replicate')}{' of each' if sides == 2 else ''}{price}"

    def record(self) -> Spread | None:
        own = self.own
        if not own.degrees:
            return None
        return Spread(
            metric=self.suite.primary,
            suite=self.suite.name,
            model=self.model,
            means=own.means,
            residual=own.residual,
            rows=own.rows,
            degrees=own.degrees,
        )

    def notes(self) -> list[str]:
        """Whether the ledger's earlier runs count, and whether some recipe's spread is its own."""
        notes = []
        if borrowed := self.spread.degrees - self.own.degrees:
            notes.append(
                f"The spread of runs rests on {self.own.degrees:g} degrees of freedom of this "
                f"experiment and {borrowed:g} of earlier ones with the same model and suite."
            )
        if odd := _uneven(self.recipes):
            notes.append(
                f"Runs spread unequally (Levene's test, p = {odd[0]:.2g}): most those of "
                f"{odd[1].name} (standard deviation {odd[1].deviation:.3g}). The pooled spread is "
                "too small for it and too large for others; more replicates would tell."
            )
        return notes


def look_at(
    rows: Mapping[str, Sequence[ScoredRow]],
    arms: Mapping[str, ArmResult],
    found: Sequence[RecipeResult],
    suite: Suite,
    earlier: Sequence[Spread],
) -> Look | None:
    """The recipes by the `rows` of each of their arms; None without two runs of any of them."""
    import numpy as np

    from runner.evaluation import contributions
    from runner.statistics.recipes import spread_of

    rows = {digest: each for digest, each in rows.items() if each}
    measured = contributions(rows, suite.primary, suite) if rows else None
    if measured is None or measured.rows < 2:
        return None
    here = [
        each.model_copy(update={"arms": runs})
        for each in found
        if (runs := [digest for digest in each.arms if digest in rows])
    ]
    own = spread_of([np.stack([measured.values[digest] for digest in each.arms]) for each in here])
    if not own.degrees:
        return None
    model = arms[here[0].arms[0]].model
    prior = pooled_spread(earlier, suite, model)
    usd = {each.digest: _usd(each, arms) for each in here}
    return Look(suite, here, measured, own.shrunk(prior), own, usd, model)


def _usd(recipe: RecipeResult, arms: Mapping[str, ArmResult]) -> float | None:
    """US dollars of one run; None where nothing has a price."""
    bills = [usd for digest in recipe.arms if (usd := arms[digest].usd) is not None]
    return sum(bills) / len(bills) if bills else None


def _cost(recipe: RecipeResult, arms: Mapping[str, ArmResult]) -> tuple[float, float]:
    """What a run of it costs: in dollars, else in what it was trained on."""
    first = arms[recipe.arms[0]]
    work = first.train_examples * (max((item.epoch for item in first.checkpoints), default=1.0))
    return _usd(recipe, arms) or 0.0, work


def _corrected(
    found: Sequence[Difference], suite: Suite, choice: BaselineChoice | None = None
) -> list[Difference]:
    from runner.evaluation import holm

    done = holm([item.model_copy(update={"p": counted(item, choice)}) for item in found])
    again = zip(found, done, strict=True)
    return [outcome_of(a.model_copy(update={"p_holm": b.p_holm}), suite) for a, b in again]


def _alone(found: Difference, choice: BaselineChoice) -> Difference:
    return found.model_copy(update={"p_holm": counted(found, choice)})


def _passed(claim: Difference, ahead: ArmResult | None) -> str:
    """Why a gain over the untuned arm that validation chose is none: another has more on test."""
    if ahead is None or claim.outcome != "better":
        return ""
    value = primary_of(ahead.test, claim.metric).value
    if not claim.scale.better(value, claim.ours):
        return ""
    return (
        f"{ahead.name}, which validation did not choose, has {shown(value, claim.scale)} on test "
        "without tuning: more than the recipe on average."
    )


def outcome_of(found: Difference, suite: Suite) -> Difference:
    """The difference with what its corrected p decides. Two that differ by less than the margin
    are equivalent, even where that little is surely there."""
    alpha = 1 - suite.bootstrap.confidence
    outcome: Outcome = "undecided"
    if found.p_equivalent < alpha:
        outcome = "equivalent"
    elif found.p_holm < alpha:
        outcome = "better" if found.gain > 0 else "worse"
    settles = found.settles if outcome == "undecided" else ""
    changes = {"outcome": outcome, "clear": found.p_holm < alpha, "settles": settles}
    return found.model_copy(update=changes)


UNEVEN = 0.05


def _uneven(found: Sequence[RecipeResult]) -> tuple[float, RecipeResult] | None:
    """p of Levene's test about medians (Brown and Forsythe 1974) and the recipe that spreads most,
    where spreads differ; from three runs of each on."""
    runs = [[value for value in each.scores if value == value] for each in found]
    able = [(each, values) for each, values in zip(found, runs, strict=True) if len(values) > 2]
    if len(able) < 2 or not any(each.deviation for each, _ in able):
        return None
    from scipy.stats import levene

    p = float(levene(*(values for _, values in able), center="median").pvalue)
    if not p < UNEVEN:
        return None
    return p, max((each for each, _ in able), key=lambda each: each.deviation)
