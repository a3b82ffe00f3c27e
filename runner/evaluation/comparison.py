"""Two arms side by side on the same rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError, Problem
from runner.config import Suite
from runner.evaluation.extract import answer_of
from runner.evaluation.scoring import measured_by, only, references_of, shared_rows
from runner.evaluation.suite import check_suite, kind_of, reference_fields
from runner.evaluation.tokenizers import settled
from runner.records import Scale, ScoredRow
from runner.records.results import CheckpointScores, Difference
from runner.statistics.intervals import difference_interval
from runner.statistics.measure import Measure, by_group, group_ids, share_of
from runner.statistics.recipes import row_contributions
from runner.statistics.significance import mcnemar, swap_test

if TYPE_CHECKING:
    from runner.statistics.measure import Ids, Matrix


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
    usable answer is at its worst, or left out for both (`suite.unanswered`). The interval is made
    of those of the two scores and their correlation (Newcombe); p is two-sided, exact McNemar for
    0/1 scores and a swap test for the others (sign flips for means, approximate randomisation for
    corpus scores). Where rows have groups, the interval goes by group and the test swaps whole
    groups, of 0/1 scores as well. `p_holm` is p until `holm` has seen all differences. Without a
    common row value, interval and p are nan with ``n=0``; a single row that is not 0 or 1 has no
    interval. The value is the plain difference: `gain` turns its sign so that more
    is better. Raises ConfigError when the suite gives no such score.
    """
    measure, a, b, groups = _paired(arm_rows, against_rows, metric, suite)
    one, other = (_score(measure, part) for part in (a, b))
    found = difference_interval(measure, a, b, suite.bootstrap, seed, groups=groups)
    p = _p(measure, a, b, groups, seed)
    return Difference(
        arm=arm,
        against=against,
        metric=metric,
        value=one - other,
        low=found.low,
        high=found.high,
        method=found.method,
        groups=found.groups,
        p=p,
        p_holm=p,
        n=len(a),
        discordant=int((a != b).any(axis=1).sum()),
        scale=measure.scale,
        ours=one,
        theirs=other,
    )


@dataclass(frozen=True)
class Contributions:
    """One score of many arms over the rows that count for all of them."""

    values: dict[str, Matrix]
    """Arm to (n,): what each row, or each group of rows, adds; the mean is the arm's score."""
    scale: Scale
    rows: int
    groups: int
    """Groups of rows, each of which is one unit; 0 where every row is."""


def contributions(
    arms: Mapping[str, Sequence[ScoredRow]], metric: str, suite: Suite
) -> Contributions:
    """What every row adds to an arm's score, for statistics over several runs.

    A mean has its row values; a corpus score (BLEU, macro F1) its jackknife pseudo-values. Rows are
    paired by id, and those without a usable answer treated as in `compare`. Raises ConfigError
    when the suite gives no such score.
    """
    import numpy as np

    suite = settled(suite, references_of([row for rows in arms.values() for row in rows]))
    ids = shared_rows(list(arms.values()), suite)
    kept = {name: sorted(only(rows, ids), key=lambda row: row.id) for name, rows in arms.items()}
    measure = _measure([row for rows in kept.values() for row in rows], metric, suite)
    size = len(next(iter(kept.values()), []))
    counted = measure.counted.reshape(len(kept), size).all(axis=0)
    by_arm = measure.statistics.reshape(len(kept), size, -1)[:, counted]
    groups = group_ids([row.group for row in next(iter(kept.values()), [])])[counted]
    units = [by_group(statistics, groups) for statistics in by_arm]
    grouped = len(units[0]) if units and len(units[0]) < counted.sum() else 0
    values = {
        name: np.asarray(row_contributions(measure, statistics))
        for name, statistics in zip(kept, units, strict=True)
    }
    return Contributions(values, measure.scale, int(counted.sum()), grouped)


ONE_ERROR = 0.6827
"""Confidence of an interval that is one standard error wide to each side."""


def tied(
    best_rows: Sequence[ScoredRow],
    rows: Sequence[ScoredRow],
    metric: str,
    suite: Suite,
    seed: int,
) -> bool:
    """Whether a score is within one standard error of the best one's, by the difference over the
    rows that both have: the rule of Breiman and others (1984, section 3.4.3), paired. Without a
    difference there is nothing that holds them apart."""
    measure, a, b, groups = _paired(best_rows, rows, metric, suite)
    rule = suite.bootstrap.model_copy(update={"confidence": ONE_ERROR})
    found = difference_interval(measure, a, b, rule, seed, groups=groups)
    ends = (measure.scale.gain(end) for end in (found.low, found.high))
    return not min(ends) > 0


def _paired(
    one_rows: Sequence[ScoredRow], other_rows: Sequence[ScoredRow], metric: str, suite: Suite
) -> tuple[Measure, Matrix, Matrix, Ids]:
    """The score as measured over both, and of the rows that count for both the statistics of the
    one, of the other, and the groups."""
    # By all rows of both, so that the pairs left do not decide how they are measured.
    suite = settled(suite, references_of([*one_rows, *other_rows]))
    ours, theirs = _pairs(one_rows, other_rows, suite)
    measure = _measure([*ours, *theirs], metric, suite)
    size = len(ours)
    both = measure.counted[:size] & measure.counted[size:]
    groups = group_ids([row.group for row in ours])[both]
    return measure, measure.statistics[:size][both], measure.statistics[size:][both], groups


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


def _p(measure: Measure, ours: Matrix, theirs: Matrix, groups: Ids, seed: int) -> float:
    if not len(ours):
        return float("nan")
    one, other = by_group(ours, groups), by_group(theirs, groups)
    if measure.binary and len(one) == len(ours):
        change = ours[:, 0] - theirs[:, 0]
        return mcnemar(int((change > 0).sum()), int((change < 0).sum()))
    return swap_test(one, other, measure.combine, seed)


# Which checkpoint of a tuning job to ship.


def pick_checkpoint(scores: Sequence[CheckpointScores], primary: str, rule: str = "best") -> str:
    """Id of the checkpoint with the best primary score on validation; by the rule ``tied`` of the
    earliest that is as good as it, by ``last`` of the last.

    Ties go to the lower validation loss (an unknown one loses), then to the earlier step: the
    less a model was tuned for the same score, the less it was bent. An undefined score (no
    rows) loses against any number. Raises ValueError for no checkpoints, ConfigError when
    `primary` was not measured.
    """
    if not scores:
        raise ValueError("no checkpoints to pick from")
    known = list(scores[0].validation.overall)
    if any(primary not in item.validation.overall for item in scores):
        message = f"{primary!r} was not measured on validation; measured: {', '.join(known)}"
        raise ConfigError([Problem("suite.primary", message)])
    best = reduce(lambda best, item: item if _beats(item, best, primary) else best, scores)
    if rule == "last":
        return max(scores, key=lambda item: item.step).id
    if rule == "tied":
        return min((item for item in scores if item.tied or item is best), key=_step).id
    return best.id


def _step(item: CheckpointScores) -> int:
    return item.step


def _beats(item: CheckpointScores, best: CheckpointScores, primary: str) -> bool:
    scale = item.validation.overall[primary].scale
    ours = item.validation.overall[primary].value
    theirs = best.validation.overall[primary].value
    if scale.better(ours, theirs):
        return True
    if scale.better(theirs, ours):
        return False
    return _tie_break(item) < _tie_break(best)


def _tie_break(item: CheckpointScores) -> tuple[float, int]:
    return (math.inf if math.isnan(item.eval_loss) else item.eval_loss, item.step)
