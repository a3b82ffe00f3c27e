"""Rows that come out better or worse than before, and whether one happens more often.

p is that of the sign test on the rows that changed (Dixon and Mood 1946): were fixing and breaking
a row alike, each changed row would be a fair coin. Of 0/1 scores that is McNemar's exact test.
Rows of one group depend on each other, so there the coin is the group's: its fixed rows less its
regressed ones keep or change their sign together (`runner.statistics.significance.swap_test`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runner.records import Scale
from runner.statistics.measure import by_group, share_of
from runner.statistics.significance import mcnemar, swap_test

if TYPE_CHECKING:
    from runner.statistics.measure import Ids, Matrix

MCNEMAR = "exact McNemar"
SIGNS = "exact sign test on changed rows"
BY_GROUP = "sign flips of whole groups"


def directions(before: Matrix, after: Matrix, scale: Scale, tolerance: float) -> Ids:
    """(n,): 1 where a row's score is better by more than `tolerance`, -1 where it is worse, else
    0. A change of exactly the tolerance is none, also where rounding makes it a little more."""
    import numpy as np

    gain = after - before if scale.higher_is_better else before - after
    bar = tolerance * (1 + 1e-9)
    found: Ids = (gain > bar).astype(np.int64) - (gain < -bar).astype(np.int64)
    return found


def sign_test(changes: Ids, groups: Ids, seed: int, *, binary: bool) -> tuple[float, str, int]:
    """Two-sided p of `directions`, how it was found, and the number of groups that it goes by (0
    where every row stands for itself); nan for no rows. `binary` rows are 0 or 1."""
    if not len(changes):
        return math.nan, "", 0
    better, worse = (share_of("", (changes == sign).tolist()) for sign in (1, -1))
    ours, theirs = by_group(better.statistics, groups), by_group(worse.statistics, groups)
    if len(ours) == len(changes):
        p = mcnemar(int((changes > 0).sum()), int((changes < 0).sum()))
        return p, MCNEMAR if binary else SIGNS, 0
    return swap_test(ours, theirs, better.combine, seed), BY_GROUP, len(ours)
