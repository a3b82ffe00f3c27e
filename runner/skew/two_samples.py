"""Tests of two samples that have exact formulas, their effects, and Holm over all of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

Interval = tuple[float, float]


def same_sizes(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Kolmogorov-Smirnov: largest gap of the two distributions (0 to 1), and its p-value."""
    from scipy.stats import ks_2samp

    with warnings.catch_warnings():
        # Where the exact p cannot be had, SciPy takes the asymptotic one, which is what is wanted.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation", RuntimeWarning)
        found = ks_2samp(one, other, method="auto")
    return float(found.statistic), float(found.pvalue)


def same_share(yes: int, n: int, other_yes: int, other_n: int) -> float:
    """Fisher's exact test, two-sided."""
    from scipy.stats import fisher_exact

    table = [[yes, n - yes], [other_yes, other_n - other_yes]]
    return float(fisher_exact(table).pvalue)


def either_way(ups: int, downs: int) -> float:
    """Exact sign test: as many changes one way as the other."""
    n, few = ups + downs, min(ups, downs)
    tail = sum(math.comb(n, k) for k in range(few + 1)) / 2**n
    return float(min(1.0, 2 * tail))


def share_gap(yes: int, n: int, other_yes: int, other_n: int, z: float = 1.96) -> Interval:
    """95 % interval of the difference of two shares (other minus one); Newcombe 1998, method 10,
    which holds for small samples and shares near 0 and 1."""
    p, q = yes / n, other_yes / other_n
    low, high = _wilson(p, n, z)
    other_low, other_high = _wilson(q, other_n, z)
    down = math.hypot(q - other_low, high - p)
    up = math.hypot(other_high - q, p - low)
    return q - p - down, q - p + up


def _wilson(p: float, n: int, z: float) -> Interval:
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def auc_interval(auc: float, n: int, other_n: int, z: float = 1.96) -> Interval:
    """95 % interval of an area under the curve; Hanley and McNeil 1982."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (n - 1) * (q1 - auc * auc) + (other_n - 1) * (q2 - auc * auc)
    half = z * math.sqrt(max(spread, 0.0) / (n * other_n))
    return max(0.0, auc - half), min(1.0, auc + half)
