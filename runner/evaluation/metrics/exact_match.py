"""Exact match: 1 when the normalised answer equals a normalised reference.

With `extract.kind: json` the parsed values are compared, so key order and blanks do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.config import ExactMatch, Suite
from runner.evaluation.extract import comparable
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.statistics.measure import share_of


def names(metric: ExactMatch, fields: Sequence[str]) -> list[str]:
    return ["exact_match"]


def measure(rows: Sequence[ScoredAnswer], metric: ExactMatch, suite: Suite) -> MetricResult:
    values = [float(matches(row, suite)) for row in rows]
    return MetricResult([share_of("exact_match", values, rule(suite))])


def matches(row: ScoredAnswer, suite: Suite) -> bool:
    """Whether the answer is one of the references."""
    if row.answer is None:
        return False
    answer = comparable(row.answer, suite)
    return any(comparable(reference, suite) == answer for reference in row.references)


def rule(suite: Suite) -> str:
    """The variant of the comparison, for a score's signature."""
    return f"normalize:{'+'.join(suite.normalize) or 'none'}|extract:{suite.extract.kind}"
