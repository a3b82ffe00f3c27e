"""Constraints: 1 when an answer meets every condition that its target names."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config import Constraints, Suite
from runner.evaluation.constraints import conditions_of, unmet
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.statistics.measure import share_of


def names(metric: Constraints, fields: Sequence[str]) -> list[str]:
    return ["constraints"]


def measure(rows: Sequence[ScoredAnswer], metric: Constraints, suite: Suite) -> MetricResult:
    return MetricResult([share_of("constraints", [float(_met(row, metric)) for row in rows])])


def _met(row: ScoredAnswer, metric: Constraints) -> bool:
    return any(
        not unmet(row.text, conditions_of(reference), metric.refusals)
        for reference in row.references
    )
