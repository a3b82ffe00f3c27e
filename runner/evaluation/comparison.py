"""Two arms side by side on the rows both of them answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner.config import Bootstrap, Suite
from runner.evaluation.intervals import percentile, resampled_sums
from runner.evaluation.measure import Judged, Measure, mean_of
from runner.evaluation.names import check_suite, reference_fields
from runner.evaluation.registry import kind_of
from runner.evaluation.rows import judged
from runner.evaluation.significance import mcnemar, swap_test
from runner.results import Difference

if TYPE_CHECKING:
    from runner.evaluation.measure import Matrix


def compare(
    arm_rows: Sequence[Mapping[str, Any]],
    against_rows: Sequence[Mapping[str, Any]],
    metric: str,
    suite: Suite,
    seed: int,
    *,
    arm: str = "",
    against: str = "",
) -> Difference:
    """The paired difference `arm` minus `against` of one score, over rows both answered.

    Rows are those that `score` gives, paired by id. The interval is a percentile bootstrap that
    draws pairs; p is two-sided, exact McNemar for 0/1 scores and a swap test for the others
    (sign flips for means, approximate randomisation for corpus scores); `p_holm` is p until
    `holm` has seen all differences. Without a common row value, interval and p are nan with
    ``n=0``. The value is the plain difference: of TER, less than 0 is the better one. Raises
    ConfigError when the suite gives no such score.
    """
    ours, theirs = _pairs(arm_rows, against_rows, suite)
    measure = _measure([*ours, *theirs], metric, suite)
    size = len(ours)
    both = measure.counted[:size] & measure.counted[size:]
    a, b = measure.statistics[:size][both], measure.statistics[size:][both]
    value, low, high = _value_and_interval(measure, a, b, suite.bootstrap, seed)
    p = _p(measure, a, b, seed)
    return Difference(
        arm=arm,
        against=against,
        metric=metric,
        value=value,
        low=low,
        high=high,
        p=p,
        p_holm=p,
        n=len(a),
        discordant=int((a != b).any(axis=1).sum()),
    )


def _pairs(
    arm_rows: Sequence[Mapping[str, Any]],
    against_rows: Sequence[Mapping[str, Any]],
    suite: Suite,
) -> tuple[list[Judged], list[Judged]]:
    """The common answered rows by id, so that the order of the files does not matter."""
    ours = {row["id"]: row for row in arm_rows if not row["error"]}
    theirs = {row["id"]: row for row in against_rows if not row["error"]}
    ids = sorted(ours.keys() & theirs.keys(), key=str)
    return [judged(ours[id_], suite) for id_ in ids], [judged(theirs[id_], suite) for id_ in ids]


def _measure(rows: list[Judged], name: str, suite: Suite) -> Measure:
    """One score over both arms' rows at once, so that labels have the same columns."""
    fields = reference_fields(rows, suite)
    check_suite(suite.model_copy(update={"primary": name}), fields)
    for metric in suite.metrics:
        kind = kind_of(metric)
        if name in kind.names(metric, fields):
            measured = kind.measure(rows, metric, suite)
            return next(item for item in measured.measures if item.name == name)
    # Only a field score of no rows comes this far: the fields are not known.
    return mean_of(name, [], binary=True)


def _value_and_interval(
    measure: Measure, ours: Matrix, theirs: Matrix, rule: Bootstrap, seed: int
) -> tuple[float, float, float]:
    import numpy as np

    if not len(ours):
        return float("nan"), float("nan"), float("nan")
    pairs = np.concatenate([ours, theirs], axis=1)
    value = float(_difference(measure, pairs.sum(axis=0, keepdims=True))[0])
    drawn = _difference(measure, resampled_sums(pairs, rule.samples, seed))
    return value, *percentile(drawn, value, rule.confidence)


def _difference(measure: Measure, sums: Matrix) -> Matrix:
    """Of sums that hold the one arm's columns, then the other's."""
    width = sums.shape[1] // 2
    return measure.combine(sums[:, :width]) - measure.combine(sums[:, width:])


def _p(measure: Measure, ours: Matrix, theirs: Matrix, seed: int) -> float:
    if not len(ours):
        return float("nan")
    if measure.binary:
        change = ours[:, 0] - theirs[:, 0]
        return mcnemar(int((change > 0).sum()), int((change < 0).sum()))
    return swap_test(ours, theirs, measure.combine, seed)
