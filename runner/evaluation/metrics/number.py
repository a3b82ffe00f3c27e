"""Number match: 1 when the number in the answer equals the number in a reference."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config import NumberMatch, Suite
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.numbers import equal
from runner.statistics.measure import share_of


def names(metric: NumberMatch, fields: Sequence[str]) -> list[str]:
    return ["number"]


def measure(rows: Sequence[ScoredAnswer], metric: NumberMatch, suite: Suite) -> MetricResult:
    values = [float(_right(row, metric)) for row in rows]
    options = metric.model_dump(exclude={"kind"})
    signature = "|".join(f"{name}:{value}" for name, value in options.items())
    return MetricResult([share_of("number", values, signature)])


def _right(row: ScoredAnswer, metric: NumberMatch) -> bool:
    if row.answer is None:
        return False
    return any(equal(row.answer, reference, metric) for reference in row.references)
