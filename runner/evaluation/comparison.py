"""Two arms side by side on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.config import Bootstrap, Suite
from runner.evaluation.intervals import percentile, resampled_sums
from runner.evaluation.names import check_suite, reference_fields
from runner.evaluation.registry import kind_of
from runner.evaluation.rows import answer_of
from runner.evaluation.same_rows import only, shared_rows
from runner.evaluation.scoring import measured_by
from runner.evaluation.significance import mcnemar, swap_test
from runner.records import ScoredRow
from runner.results import Difference
from runner.statistics.measure import Measure, share_of

if TYPE_CHECKING:
    from runner.statistics.measure import Matrix


def compare(
    arm_rows: Sequence[ScoredRow],
    against_rows: Sequence[ScoredRow],
    metric: str,
    suite: Suite,
    seed: int,
    *,
    arm: str = "",
    against: str = "",
) -> Difference:
    """The paired difference `arm` minus `against` of one score, over the rows that count for both.

    Rows are those that `score` gives, paired by id; as in the scores themselves, one without a
    usable answer is at its worst, or left out for both (`suite.unanswered`). The interval is a
    percentile bootstrap that draws pairs; p is two-sided, exact McNemar for 0/1 scores and a
    swap test for the others (sign flips for means, approximate randomisation for corpus scores);
    `p_holm` is p until `holm` has seen all differences. Without a common row value, interval and
    p are nan with ``n=0``. The value is the plain difference: `gain` turns its sign so that more
    is better. Raises ConfigError when the suite gives no such score.
    """
    ours, theirs = _pairs(arm_rows, against_rows, suite)
    measure = _measure([*ours, *theirs], metric, suite)
    size = len(ours)
    both = measure.counted[:size] & measure.counted[size:]
    a, b = measure.statistics[:size][both], measure.statistics[size:][both]
    value, low, high = _value_and_interval(measure, a, b, suite.bootstrap, seed)
    both_scores = [_score(measure, part) for part in (a, b)]
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
        scale=measure.scale,
        ours=both_scores[0],
        theirs=both_scores[1],
    )


def _pairs(
    arm_rows: Sequence[ScoredRow], against_rows: Sequence[ScoredRow], suite: Suite
) -> tuple[list[ScoredRow], list[ScoredRow]]:
    """The rows that count for both, by id, so that the order of the files does not matter."""
    ids = shared_rows([arm_rows, against_rows], suite)
    ours, theirs = (
        sorted(only(rows, ids), key=lambda row: row.id) for rows in (arm_rows, against_rows)
    )
    return ours, theirs


def _measure(rows: list[ScoredRow], name: str, suite: Suite) -> Measure:
    """One score over both arms' rows at once, so that labels have the same columns."""
    answers = [answer_of(row, suite) for row in rows]
    fields = reference_fields(answers, suite)
    check_suite(suite.model_copy(update={"primary": name}), fields)
    for metric in suite.metrics:
        if name in kind_of(metric).names(metric, fields):
            measured = measured_by(metric, rows, answers, suite)
            return next(item for item in measured.measures if item.name == name)
    # Only a field score of no rows comes this far: the fields are not known.
    return share_of(name, [])


def _score(measure: Measure, statistics: Matrix) -> float:
    """The score of one side's rows, nan of none."""
    if not len(statistics):
        return float("nan")
    return float(measure.combine(statistics.sum(axis=0, keepdims=True))[0])


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
