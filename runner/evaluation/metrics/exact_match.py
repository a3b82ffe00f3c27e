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
    values = [float(matches(row, suite, metric.squad)) for row in rows]
    signature = "" if metric.squad == "v1.1" else f"squad:{metric.squad}|"
    return MetricResult([share_of("exact_match", values, f"{signature}{rule(suite)}")])


def matches(row: ScoredAnswer, suite: Suite, squad: str) -> bool:
    """Whether the answer is one of the references."""
    if row.answer is None:
        return False
    return comparable(row.answer, suite) in accepted(row, suite, squad)


def accepted(row: ScoredAnswer, suite: Suite, squad: str) -> list[str]:
    """The references as they are compared; in SQuAD's v2.0 without those that are empty then,
    unless all are (``get_raw_scores`` of its official script)."""
    texts = [comparable(text, suite) for text in row.references]
    if squad == "v1.1":
        return texts
    return [text for text in texts if text] or [""]


def rule(suite: Suite) -> str:
    """The variant of the comparison, for a score's signature."""
    return f"normalize:{'+'.join(suite.normalize) or 'none'}|extract:{suite.extract.kind}"
