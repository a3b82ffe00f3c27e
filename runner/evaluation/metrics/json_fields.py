"""JSON validity, and for each field of the reference whether the answer has the same value.

An answer that is no JSON is an outcome of its own: it shows in ``json_valid`` and, as it has no
fields, counts as wrong in each of them; so does an answer that lacks a field. A field is counted
on the rows whose reference has it. Values are compared after the suite's normalisation of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.base.text import normalize
from runner.config import JsonFields, Suite
from runner.evaluation.json_text import canonical, field, leaves, mapped, parse
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.metrics.exact_match import rule
from runner.statistics.measure import share_of

MISSING = object()
"""Stands for no value at all: ``null`` is a value."""


def names(metric: JsonFields, fields: Sequence[str]) -> list[str]:
    wanted = metric.fields if metric.fields is not None else fields
    return ["json_valid", *(f"json_field/{name}" for name in wanted)]


def measure(rows: Sequence[ScoredAnswer], metric: JsonFields, suite: Suite) -> MetricResult:
    signature = rule(suite)
    answers = [_parsed(row.answer) for row in rows]
    references = [[_parsed(text) for text in row.references] for row in rows]
    valid = [float(answer is not MISSING) for answer in answers]
    measures = [share_of("json_valid", valid, signature)]
    for path in metric.fields if metric.fields is not None else fields_of(rows):
        values = [
            _agrees(answer, accepted, path, suite)
            for answer, accepted in zip(answers, references, strict=True)
        ]
        measures.append(share_of(f"json_field/{path}", values, signature))
    return MetricResult(measures)


def fields_of(rows: Sequence[ScoredAnswer]) -> list[str]:
    """Dotted paths of every field that stands in a reference, sorted."""
    return sorted(
        {path for row in rows for text in row.references for path in leaves(_parsed(text))}
    )


def _parsed(text: str | None) -> Any:
    try:
        return MISSING if text is None else parse(text)
    except ValueError:
        return MISSING


def _agrees(answer: Any, references: list[Any], path: str, suite: Suite) -> float:
    """1 or 0; nan when no reference has the field."""
    accepted = {_value(reference, path, suite) for reference in references} - {None}
    if not accepted:
        return float("nan")
    return float(_value(answer, path, suite) in accepted)


def _value(value: Any, path: str, suite: Suite) -> str | None:
    """The field's value as comparable text, None when the field is not there."""
    try:
        found = field(value, path)
    except KeyError:
        return None
    return canonical(mapped(found, lambda text: normalize(text, suite.normalize)))
