"""Tests of two samples that have exact formulas, their effects, and Holm over all of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


# Can a classifier tell production from tuning? A two-sample test (Lopez-Paz and Oquab 2017).
#
# Kernel ridge on character pieces, 5 folds, mean area under the ROC curve of the folds. All
# reshuffles of the labels are targets of one fit, and the p-value is exact: the observed area among
# those of 999 reshuffles. Equal texts share a fold, so that a prompt which stands on both sides
# neither helps nor hurts.

RIDGE = 1.0
FOLDS = 5


@dataclass(frozen=True, slots=True)
class ClassifierResult:
    """How well the sides can be told apart."""

    auc: float
    p: float
    null: list[float]
    """Areas under reshuffled labels."""
    scores: list[float]
    """Per row, out of fold: higher is more like production."""


def tell_apart(
    texts: Sequence[str], gram: Any, first: int, permutations: int, seed: int
) -> ClassifierResult:
    """The first `first` texts against the rest; `gram` is their cosine matrix."""
    import numpy as np

    draw = np.random.default_rng(seed)
    n = len(texts)
    # Equal scores keep their order in a sort: rows in a random order make that order fair.
    shuffle = draw.permutation(n)
    labels = np.where(shuffle < first, -1.0, 1.0).astype(np.float32)
    columns = [labels, *(draw.permutation(labels) for _ in range(permutations))]
    sides = np.stack(columns, axis=1)
    folds = _folds([texts[at] for at in shuffle], draw)
    answers = out_of_fold(gram[np.ix_(shuffle, shuffle)], sides, folds)
    areas = fold_areas(answers, sides, folds)
    auc, null = float(areas[0]), areas[1:]
    scores = np.empty(n)
    scores[shuffle] = answers[:, 0]
    p = (1 + int((null >= auc - 1e-9).sum())) / (1 + permutations)
    return ClassifierResult(auc, p, null.tolist(), scores.tolist())


def out_of_fold(gram: Any, sides: Any, folds: Any) -> Any:
    """Answers to every row (rows x reshuffles) by a model that has not seen its fold."""
    import numpy as np
    from sklearn.kernel_ridge import KernelRidge

    # Centred, since kernel ridge has no intercept.
    centred = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
    answers = np.empty_like(sides)
    for fold in range(FOLDS):
        asked = folds == fold
        model = KernelRidge(alpha=RIDGE, kernel="precomputed")
        model.fit(centred[np.ix_(~asked, ~asked)], sides[~asked])
        answers[asked] = model.predict(centred[np.ix_(asked, ~asked)])
    return answers


def fold_areas(answers: Any, sides: Any, folds: Any) -> Any:
    """Mean over the folds of the area under the ROC curve, for every reshuffle. Folds where one
    side is missing have none and are left out."""
    import numpy as np

    areas = []
    for fold in range(FOLDS):
        rows = folds == fold
        order = np.argsort(answers[rows], axis=0, kind="stable")
        ones = np.take_along_axis(sides[rows] > 0, order, axis=0)
        ranks = np.arange(1, len(ones) + 1)[:, None]
        up = ones.sum(axis=0).astype(float)
        down = len(ones) - up
        with np.errstate(invalid="ignore", divide="ignore"):
            areas.append(((ranks * ones).sum(axis=0) - up * (up + 1) / 2) / (up * down))
    return np.nan_to_num(np.nanmean(np.stack(areas), axis=0), nan=0.5)


def _folds(texts: Sequence[str], draw: Any) -> Any:
    """A fold for each text, the same for equal texts, all of about one size."""
    import numpy as np

    known: dict[str, int] = {}
    for text in texts:
        known.setdefault(text, len(known))
    fold = draw.permutation(len(known)) % FOLDS
    return np.array([fold[known[text]] for text in texts])
