"""Intervals: Wilson for shares of 0/1 rows, the percentile bootstrap over rows for the rest.

Wilson stays honest where the bootstrap collapses (all right, all wrong, few rows). The bootstrap
draws rows with replacement and re-adds their statistics, so it serves means, macro F1 and corpus
BLEU alike; it takes what `runner.evaluation.measure` calls additive statistics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from runner.config import Bootstrap
from runner.statistics.measure import Measure

if TYPE_CHECKING:
    from runner.statistics.measure import Mask, Matrix

_CELLS = 4_000_000
"""Weights held at once (32 MB), whatever the number of rows and resamples."""


def wilson(share: float, count: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share of `count` rows (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    # The ends are 0 and 1 exactly for no and all hits; rounding must not cut the value off.
    low, high = max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
    return min(low, share), max(high, share)


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
    means (a resample of few rows has fewer labels, and lower BLEU).
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
) -> list[tuple[float, float]]:
    """The interval of each measure's value over the picked rows; nan where the value is nan,
    and for resampled scores of a single row, which say nothing about spread."""
    import numpy as np

    drawn = [
        index
        for index, item in enumerate(measures)
        if not item.binary and values[index] == values[index]
    ]
    found = [(float("nan"), float("nan"))] * len(measures)
    for index, item in enumerate(measures):
        if item.binary and values[index] == values[index]:
            count = int((picked & item.counted).sum())
            found[index] = wilson(values[index], count, rule.confidence)
    if not drawn or picked.sum() < 2:
        return found
    # All statistics side by side: one draw and one matrix product serve every score.
    together = np.concatenate([measures[index].statistics[picked] for index in drawn], axis=1)
    sums = resampled_sums(together, rule.samples, seed)
    start = 0
    for index in drawn:
        width = measures[index].statistics.shape[1]
        scores = measures[index].combine(sums[:, start : start + width])
        found[index] = percentile(scores, values[index], rule.confidence)
        start += width
    return found
