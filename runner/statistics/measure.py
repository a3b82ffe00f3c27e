"""A score as additive statistics: the one form that values, slices, intervals and tests need.

Each answered row contributes a line of numbers; the score of any set of rows is a function of
the column sums. A mean is (sum, count); BLEU is n-gram matches, totals and lengths; macro F1 is
true positives, false positives and misses by label. Resampling then means re-adding lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from runner.records import SHARE, UNKNOWN, Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float64]
    Mask: TypeAlias = NDArray[np.bool_]
    Ids: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measure:
    """One score over n rows."""

    name: str
    statistics: Matrix
    """(n, k); a row that adds nothing to the score is all zeros."""
    combine: Callable[[Matrix], Matrix]
    """Column sums of m sets of rows (m, k) to their m scores; nan where undefined."""
    counted: Mask
    """(n,) rows that make up the score's `n`."""
    rows: Matrix | None = None
    """(n,) score of each row by itself, nan where undefined; None when it only has a meaning
    for a set of rows."""
    binary: bool = False
    """Rows are 0 or 1, so that exact formulas hold (Wilson, McNemar)."""
    signature: str = ""
    scale: Scale = UNKNOWN
    """What the values mean; a metric says so itself."""


def mean_of(
    name: str,
    values: Sequence[float],
    *,
    binary: bool = False,
    signature: str = "",
    scale: Scale = UNKNOWN,
) -> Measure:
    """The mean of one value a row; nan is a row without one."""
    import numpy as np

    rows = np.asarray(values, dtype=np.float64).reshape(-1)
    counted = ~np.isnan(rows)
    statistics = np.stack([np.where(counted, rows, 0.0), counted.astype(np.float64)], axis=1)
    return Measure(name, statistics, _mean, counted, rows, binary, signature, scale)


def share_of(name: str, values: Sequence[float], signature: str = "") -> Measure:
    """The share of rows that are 1, of rows that are 0 or 1; nan is a row without a value."""
    return mean_of(name, values, binary=True, signature=signature, scale=SHARE)


def is_mean(measure: Measure) -> bool:
    """Whether the score is a mean of row values, so that a row's value can be put in its place."""
    return measure.combine is _mean


def _mean(sums: Matrix) -> Matrix:
    return ratio(sums[:, 0], sums[:, 1])


def with_worst(measure: Measure, unanswered: Mask) -> Measure:
    """A mean of rows with the scale's worst value on the rows without a usable answer, whatever
    the metric made of them; of a scale without a worst value those rows count for nothing, which
    `n` shows. Corpus scores stay as they are: their metrics saw an empty hypothesis."""
    import numpy as np

    if not is_mean(measure) or measure.rows is None or not unanswered.any():
        return measure
    worst = float("nan") if measure.scale.worst is None else measure.scale.worst
    rows = np.where(unanswered, worst, measure.rows)
    again = mean_of(measure.name, rows.tolist())
    return replace(measure, rows=rows, statistics=again.statistics, counted=again.counted)


def group_ids(groups: Sequence[str]) -> Ids:
    """(n,) numbers of the rows' groups; a row without one is a group of its own."""
    import numpy as np

    known = {name: at for at, name in enumerate(sorted(set(groups) - {""}))}
    alone = range(len(known), len(known) + len(groups))
    found = [known.get(name, own) for name, own in zip(groups, alone, strict=True)]
    return np.asarray(found, dtype=np.int64)


def by_group(statistics: Matrix, groups: Ids) -> Matrix:
    """(g, k): the sums of each group's rows. Statistics are additive, so what holds for rows holds
    for groups; the same statistics where every row is a group of its own."""
    import numpy as np

    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    if len(first) == len(statistics):
        return statistics
    out = np.zeros((len(first), statistics.shape[1]))
    np.add.at(out, inverse, statistics)
    return out


def ratio(top: Matrix, bottom: Matrix) -> Matrix:
    """Elementwise `top` / `bottom`; nan where `bottom` is 0."""
    import numpy as np

    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def value_of(measure: Measure, picked: Mask) -> tuple[float, int]:
    """The score of the picked rows and how many it rests on; nan of none."""
    count = int((picked & measure.counted).sum())
    if not count:
        return float("nan"), 0
    sums = measure.statistics[picked].sum(axis=0, keepdims=True)
    return float(measure.combine(sums)[0]), count
