"""Intervals of scores and of paired differences; which method covers what: docs/log.md, 2026-11-27.

A score with bounds gets Wilson's score interval (Wilson 1927) with an effective number of rows:
as many rows of 0 and 1 as would have the score's variance (Dean and Pacifico 2015 call it the
modified Wilson interval of surveys). For 0/1 rows that is Wilson's own. The variance of a mean is
that of its rows, of a corpus score (BLEU, macro F1) that of the bootstrap over rows. Near a bound
a sample may lack the rare rows that make up most of the variance, so what it shows is weighed
against what 0/1 rows would have. A score without both bounds gets the t interval.

The interval of a paired difference is put together from those of the two scores and their
correlation (Newcombe 1998, method 8; MOVER: Zou and Donner 2008).
`benchmarks/interval_coverage.py` measures how often all of them hold the true value.

Where rows come in groups, the groups are the units that vary: their sums make the variance
(cluster-robust: Liang and Zeger 1986), and they are what the bootstrap draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from runner.config import Bootstrap
from runner.records import Scale
from runner.statistics.measure import Measure, by_group, is_mean

if TYPE_CHECKING:
    from runner.statistics.measure import Ids, Mask, Matrix

_CELLS = 4_000_000
"""Weights held at once (32 MB), whatever the number of rows and resamples."""

WILSON = "Wilson"
GRADED = "Wilson, effective rows"
RESAMPLED = "Wilson, bootstrap variance"
STUDENT = "t"
STUDENT_RESAMPLED = "t, bootstrap variance"
PAIRED = "Newcombe"
PAIRED_RESAMPLED = "Newcombe, bootstrap variance"


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` and `high` are nan where nothing can be said; `method` is for people."""

    low: float
    high: float
    method: str
    groups: int = 0
    """Groups that it goes by; 0 where every row stands for itself."""


UNDEFINED = Interval(math.nan, math.nan, "")


def wilson(share: float, count: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share of `count` rows (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return _wilson(share, 1 / count, z)


def _wilson(share: float, per_row: float, z: float) -> tuple[float, float]:
    """Of `share` in [0, 1]; `per_row` is one over the number of rows."""
    spread = z * math.sqrt(per_row * share * (1 - share) + (z * per_row / 2) ** 2)
    middle, scale = share + z * z * per_row / 2, 1 + z * z * per_row
    # The ends are 0 and 1 exactly for no and all hits; rounding must not cut the value off.
    low, high = max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
    return min(low, share), max(high, share)


def per_effective_row(share: float, variance: float, units: int) -> float:
    """One over the effective number of rows of a score in [0, 1], and of its `variance`.

    0/1 rows, one a unit, have the variance ``share * (1 - share) / units``; bounded rows have
    less. What the sample shows has the weight ``(units * share * (1 - share)) ** 2``, the square
    of about how many units differ from the bound, against a weight of 1 for 0/1 units.
    """
    most = share * (1 - share)
    weight = (units * most) ** 2
    seen = variance / most if most > 0 else 0.0
    return (seen * weight + 1 / units) / (weight + 1)


def resampled_sums(statistics: Matrix, samples: int, seed: int) -> Matrix:
    """(samples, k): column sums of as many rows as there are, drawn with replacement.

    The draw depends on `seed` and the number of rows alone, so two statistics of the same
    rows, asked for side by side or one after the other, see the same resamples.
    """
    import numpy as np

    count = len(statistics)
    rng = np.random.default_rng(seed)
    out = np.empty((samples, statistics.shape[1]))
    step = max(1, _CELLS // count)
    for start in range(0, samples, step):
        size = min(step, samples - start)
        drawn = rng.integers(0, count, size=(size, count))
        drawn += np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        out[start : start + size] = times.astype(np.float64) @ statistics
    return out


def percentile(values: Matrix, around: float, confidence: float) -> tuple[float, float]:
    """The central `confidence` share of resampled scores (undefined ones left out).

    Widened to contain `around`, the score itself: resampling is biased for scores that are no
    means (a resample of few rows has fewer labels, and lower BLEU). Too narrow near bounds:
    `intervals` serves scores.
    """
    import numpy as np

    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return min(float(low), around), max(float(high), around)


def intervals(
    measures: Sequence[Measure],
    values: Sequence[float],
    picked: Mask,
    rule: Bootstrap,
    seed: int,
    *,
    groups: Ids,
) -> list[Interval]:
    """The interval of each measure's value over the picked rows; undefined where the value is
    nan, and for a single group, or a single row that is not 0 or 1: they say nothing about
    spread. `groups` are (n,) numbers of the rows' groups (`group_ids`)."""
    import numpy as np

    found = [UNDEFINED] * len(measures)
    drawn = []
    for index, (item, value) in enumerate(zip(measures, values, strict=True)):
        if value != value:
            continue
        if is_mean(item):
            found[index] = _of_mean(item, value, picked, groups, rule.confidence)
        else:
            drawn.append(index)
    statistics = [by_group(measures[index].statistics[picked], groups[picked]) for index in drawn]
    if not drawn or len(statistics[0]) < 2:
        return found
    for index, scores in zip(
        drawn, _resampled([measures[index] for index in drawn], statistics, rule, seed), strict=True
    ):
        item = measures[index]
        counted = picked & item.counted
        rows, units = int(counted.sum()), len(np.unique(groups[counted]))
        if units < 2:
            continue
        ends = _ends(item.scale, values[index], _variance(scores), units, rule.confidence)
        method = RESAMPLED if _bounded(item.scale) else STUDENT_RESAMPLED
        found[index] = _named(ends, method, units, rows)
    return found


def difference_interval(
    measure: Measure, ours: Matrix, theirs: Matrix, rule: Bootstrap, seed: int, *, groups: Ids
) -> Interval:
    """Of the score of `ours` minus that of `theirs`: (n, k) statistics of the same rows, whose
    groups are `groups`, (n,) numbers.

    Undefined for no rows, and for a single one that is not 0 or 1, as `intervals` is.
    """
    import numpy as np

    rows = len(ours)
    sides = [by_group(side, groups) for side in (ours, theirs)]
    units = len(sides[0])
    exact = measure.binary and units == rows
    if not units or (units == 1 and not exact):
        return UNDEFINED
    values = [float(measure.combine(side.sum(axis=0, keepdims=True))[0]) for side in sides]
    if is_mean(measure):
        away = np.stack([_deviations(side) for side in sides])
        shared = away @ away.T
    else:
        both = np.stack(_resampled([measure, measure], sides, rule, seed))
        shared = np.cov(both[:, np.isfinite(both).all(axis=0)])
    limits = [
        wilson(value, units, rule.confidence)
        if exact
        else _ends(measure.scale, value, shared[at, at], units, rule.confidence)
        for at, value in enumerate(values)
    ]
    spread = math.sqrt(shared[0, 0] * shared[1, 1])
    # Where a score has no spread there is no correlation, and pairs gain nothing.
    related = max(-1.0, min(1.0, shared[0, 1] / spread)) if spread > 0 else 0.0
    method = PAIRED if is_mean(measure) else PAIRED_RESAMPLED
    return _named(_paired(values, limits, related), method, units, rows)


def _of_mean(
    measure: Measure, value: float, picked: Mask, groups: Ids, confidence: float
) -> Interval:
    counted = picked & measure.counted
    rows = int(counted.sum())
    statistics = by_group(measure.statistics[counted], groups[counted])
    units = len(statistics)
    if measure.binary and units == rows:
        return Interval(*wilson(value, rows, confidence), WILSON)
    if units < 2:
        return UNDEFINED
    variance = float((_deviations(statistics) ** 2).sum())
    ends = _ends(measure.scale, value, variance, units, confidence)
    return _named(ends, GRADED if _bounded(measure.scale) else STUDENT, units, rows)


def _named(ends: tuple[float, float], method: str, units: int, rows: int) -> Interval:
    return Interval(*ends, method, units if units < rows else 0)


def _deviations(statistics: Matrix) -> Matrix:
    """How far each unit pulls the mean of all; statistics are those of `mean_of`, (sum, count) a
    unit. The sum of squares estimates the variance of the mean."""
    sums, counts = statistics[:, 0], statistics[:, 1]
    units, rows = len(sums), counts.sum()
    away: Matrix = (sums - counts * (sums.sum() / rows)) / rows
    return away * math.sqrt(units / (units - 1)) if units > 1 else away


def _resampled(
    measures: Sequence[Measure], statistics: Sequence[Matrix], rule: Bootstrap, seed: int
) -> list[Matrix]:
    """Each measure's scores of the same resamples, (samples,); nan where undefined."""
    import numpy as np

    if not measures:
        return []
    # All statistics side by side: one draw and one matrix product serve every score.
    sums = resampled_sums(np.concatenate(statistics, axis=1), rule.samples, seed)
    ends = np.cumsum([part.shape[1] for part in statistics])
    parts = np.split(sums, ends[:-1], axis=1)
    return [item.combine(part) for item, part in zip(measures, parts, strict=True)]


def _variance(scores: Matrix) -> float:
    import numpy as np

    known = scores[np.isfinite(scores)]
    return float(known.var(ddof=1)) if len(known) > 1 else math.nan


def _ends(
    scale: Scale, value: float, variance: float, units: int, confidence: float
) -> tuple[float, float]:
    """The ends for a score of this variance over so many units, at least two of them."""
    from scipy.special import stdtrit

    if variance != variance:
        return math.nan, math.nan
    t = float(stdtrit(units - 1, 0.5 + confidence / 2))
    if scale.lowest is None or scale.highest is None:
        low, high = value - t * math.sqrt(variance), value + t * math.sqrt(variance)
        least = low if scale.lowest is None else max(low, scale.lowest)
        return least, high if scale.highest is None else min(high, scale.highest)
    width = scale.highest - scale.lowest
    share = min(1.0, max(0.0, (value - scale.lowest) / width))
    each = per_effective_row(share, variance / width**2, units)
    low, high = (scale.lowest + width * end for end in _wilson(share, each, t))
    return min(low, value), max(high, value)


def _bounded(scale: Scale) -> bool:
    return scale.lowest is not None and scale.highest is not None


def _paired(
    values: Sequence[float], limits: Sequence[tuple[float, float]], related: float
) -> tuple[float, float]:
    """MOVER: the distances from the values to their limits, added as standard errors are."""
    (ours, theirs), ((low, high), (their_low, their_high)) = values, limits
    down = _together(ours - low, their_high - theirs, related)
    up = _together(high - ours, theirs - their_low, related)
    return ours - theirs - down, ours - theirs + up


def _together(one: float, other: float, related: float) -> float:
    return math.sqrt(max(0.0, one * one + other * other - 2 * related * one * other))
