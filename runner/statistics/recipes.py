"""Differences of recipes: scores as runs crossed with rows.

A recipe is measured by its replicates: k runs, each scored on the same n rows. Its score is the
mean over both, and another set of rows or other runs would have given another one. So the variance
of a difference has two parts (two-way random effects; Bouthillier et al. 2021, arXiv:2103.03098):

    rows    var(d_i) / n, with d_i the difference on row i of the two recipes' means over runs
    runs    s2 (1/k_a + 1/k_b), with s2 the variance that runs of one recipe have beyond what their
            rows explain: the variance of run means minus e2 / n, e2 the mean square of the
            interaction of run and row, which the rows' part has in it already

and the degrees of freedom follow Satterthwaite (1946). The variance of runs is pooled over all
recipes of an experiment, since two or three runs say little about their own spread: by a recipe's
own spread 27 % of ten-arm sweeps without a difference had a "winner" at 800 rows and two runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.statistics.measure import Measure, is_mean

if TYPE_CHECKING:
    from runner.statistics.measure import Matrix


def row_contributions(measure: Measure, statistics: Matrix) -> Matrix:
    """(n,): what each of the rows, or groups of rows, adds; their mean is the score of all.

    A mean's are its row values. A corpus score's are the jackknife's pseudo-values, n S - (n-1)
    S without the row, whose mean is the score less its jackknife bias (Tukey 1958; Efron 1982).
    """
    import numpy as np

    if is_mean(measure) and (statistics[:, 1] == 1).all():
        return np.asarray(statistics[:, 0])
    count, total = len(statistics), statistics.sum(axis=0, keepdims=True)
    whole = float(measure.combine(total)[0])
    if count < 2:
        return np.full(count, whole)
    without = measure.combine(total - statistics)
    # A row without which nothing is left to score (the only one of its kind) changes nothing.
    without = np.where(np.isnan(without), whole, without)
    return np.asarray(count * whole - (count - 1) * without)


@dataclass(frozen=True, slots=True)
class RunSpread:
    """How far the scores of one recipe's runs lie apart, pooled over recipes."""

    means: float = 0.0
    """Variance of run means over the rows they were scored on."""
    residual: float = 0.0
    """Mean square of the interaction of run and row."""
    rows: int = 1
    degrees: float = 0.0
    """Degrees of freedom; 0 where no recipe has two runs."""

    @property
    def runs(self) -> float:
        """Variance of runs beyond what their rows explain; not below 0."""
        return max(0.0, self.means - self.residual / self.rows)

    def pooled(self, other: RunSpread) -> RunSpread:
        """Both together, each weighted by its degrees of freedom."""
        degrees = self.degrees + other.degrees
        if not degrees:
            return self
        ours, theirs = self.degrees / degrees, other.degrees / degrees
        # The other's runs were scored on other rows: what they have beyond these is what counts.
        rows = self.rows if self.degrees else other.rows
        means = ours * self.means + theirs * (
            other.means + other.residual * (1 / rows - 1 / other.rows)
        )
        residual = ours * self.residual + theirs * other.residual
        return RunSpread(max(0.0, means), residual, rows, degrees)

    def shrunk(self, prior: RunSpread) -> RunSpread:
        """With earlier runs of like recipes, which weigh at most as much as these do."""
        most = min(prior.degrees, self.degrees)
        return self.pooled(RunSpread(prior.means, prior.residual, prior.rows, most))


def spread_of(recipes: Sequence[Matrix]) -> RunSpread:
    """Of recipes' (runs, rows) contributions; those with one run say nothing."""
    import numpy as np

    found = RunSpread()
    for runs in recipes:
        count, rows = runs.shape
        if count < 2 or rows < 2:
            continue
        means = runs.mean(axis=1)
        left = runs - means[:, None] - runs.mean(axis=0)[None, :] + runs.mean()
        residual = float((left**2).sum()) / ((count - 1) * (rows - 1))
        found = found.pooled(RunSpread(float(np.var(means, ddof=1)), residual, rows, count - 1))
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score or a difference with the variance of both its sources."""

    value: float
    rows: float
    """Variance that comes of the rows."""
    runs: float
    """Variance that comes of the runs."""
    degrees: float
    """Of Student's t."""

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.rows + self.runs)

    def interval(self, confidence: float) -> tuple[float, float]:
        reach = self._t(0.5 + confidence / 2) * self.error
        return self.value - reach, self.value + reach

    def p(self, bound: float = 0.0) -> float:
        """Two-sided p of the value being `bound`."""
        return min(1.0, 2 * min(self.above(bound), self.below(bound)))

    def above(self, bound: float) -> float:
        """One-sided p of the value being at most `bound`."""
        return self._tail(self.value - bound)

    def below(self, bound: float) -> float:
        """One-sided p of the value being at least `bound`."""
        return self._tail(bound - self.value)

    def equivalent(self, margin: float) -> float:
        """p of two one-sided tests (Schuirmann 1987): below alpha, it lies within +-`margin`."""
        return max(self.above(-margin), self.below(margin))

    def _tail(self, distance: float) -> float:
        from scipy.special import stdtr

        if not self.error:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.degrees, -distance / self.error))

    def _t(self, share: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees, share))


def mean_estimate(runs: Matrix, spread: RunSpread, width: float = 0.0) -> Estimate:
    """A recipe's score: the mean over its (runs, rows) contributions. `width` is that of the
    metric's scale, 0 where it has no bounds."""
    count, rows = runs.shape
    return _estimate(runs.mean(axis=0), spread, 1 / count, (width / (rows + 2)) ** 2)


def difference_estimate(
    ours: Matrix, theirs: Matrix, spread: RunSpread, *, untuned: bool = False, width: float = 0.0
) -> Estimate:
    """The difference of two recipes' scores over the same rows, (runs, rows) each. Of an `untuned`
    model there is one run and would be no other. `width` is that of the metric's scale, 0 where it
    has no bounds: where next to no rows differ, their variance is not below that of one more row
    for either side (Bonett and Price 2012), since rows that all agree prove no equality."""
    change = ours.mean(axis=0) - theirs.mean(axis=0)
    share = 1 / len(ours) + (0.0 if untuned else 1 / len(theirs))
    return _estimate(change, spread, share, 2 * (width / (len(change) + 2)) ** 2)


def _estimate(rows_of: Matrix, spread: RunSpread, share: float, least: float) -> Estimate:
    import numpy as np

    rows = len(rows_of)
    by_rows = max(least, float(np.var(rows_of, ddof=1)) / rows if rows > 1 else 0.0)
    by_runs = share * max(0.0, spread.means - spread.residual / rows)
    return Estimate(
        float(rows_of.mean()), by_rows, by_runs, _degrees(by_rows, by_runs, rows, spread, share)
    )


def _degrees(by_rows: float, by_runs: float, rows: int, spread: RunSpread, share: float) -> float:
    """Satterthwaite's. What is subtracted from the variance of run means takes nothing from its
    uncertainty, so that is counted whole."""
    total = by_rows + by_runs
    doubt = by_rows**2 / max(1, rows - 1)
    if spread.degrees:
        doubt += (share * spread.means) ** 2 / spread.degrees
    return max(1.0, total**2 / doubt) if doubt else float(max(1, rows - 1))


# Before anything is spent.


def smallest_difference(
    rows: int,
    replicates: int,
    row_variance: float,
    runs: float,
    *,
    comparisons: int = 1,
    untuned: bool = False,
    confidence: float = 0.95,
    power: float = 0.8,
) -> float:
    """The true difference that is found with `power`, by a two-sided test of which there are
    `comparisons` (Bonferroni). `row_variance` is that of a row's difference between two runs, in
    the metric's unit squared, `runs` the variance of runs beyond it.

    Normal quantiles stand for those of t, so that few replicates look a little better than they
    are (Cohen 1988, 2.2; for the crossed design Westfall, Kenny and Judd 2014).
    """
    from statistics import NormalDist

    quantile = NormalDist().inv_cdf
    reach = quantile(1 - (1 - confidence) / (2 * max(1, comparisons))) + quantile(power)
    share = 1 / replicates + (0.0 if untuned else 1 / replicates)
    return reach * math.sqrt(row_variance / rows + share * runs)


MOST_REPLICATES = 20
"""More than these are never asked for: whoever needs them needs another experiment."""


def needed(found: Estimate, counts: tuple[int, int], rows: int) -> tuple[int, int] | None:
    """The fewest replicates of each side, more than there are, with which a true difference of
    this size is found in 80 % of cases at 5 %; where none are enough, the replicates there are and
    the fewest rows; None where neither helps. A usual approximation: 2.8 standard errors (1.96 +
    0.84)."""
    if not found.value:
        return None
    allowed = (abs(found.value) / 2.8) ** 2
    share = sum(1 / count for count in counts if count)
    one_run = found.runs / share
    sides = 2 if counts[1] else 1
    level = counts[1] in (0, counts[0])
    for replicates in range(max(counts) + level, MOST_REPLICATES + 1):
        if found.rows + one_run * sides / replicates <= allowed:
            return replicates, rows
    if found.runs < allowed:
        return max(counts), math.ceil(rows * found.rows / (allowed - found.runs))
    return None
