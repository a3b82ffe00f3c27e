"""JSON validity, and for each field of the reference whether the answer has the same value.

An answer that is no JSON is an outcome of its own: it shows in ``json_valid`` and, as it has no
fields, counts as wrong in each of them; so does an answer that lacks a field. A field is counted
on the rows whose reference has it. Values are compared after the suite's normalisation of texts.

A field that holds a list can have an F1 of its own: 2 · shared / (items of answer + reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.base.text import normalize
from runner.config import JsonFields, Suite
from runner.evaluation.json_text import canonical, field, leaves, mapped, parse
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.metrics.exact_match import rule
from runner.evaluation.metrics.rouge import lcs_length
from runner.records import SHARE
from runner.statistics.measure import Measure, mean_of, share_of

MISSING = object()
"""Stands for no value at all: ``null`` is a value."""


def names(metric: JsonFields, fields: Sequence[str]) -> list[str]:
    wanted = metric.fields if metric.fields is not None else fields
    scores = [f"json_field/{name}/f1" for name in metric.lists]
    return [
        "json_valid",
        *(f"json_field/{name}" for name in wanted),
        *scores,
        *(["json_list_f1"] if scores else []),
    ]


def measure(rows: Sequence[ScoredAnswer], metric: JsonFields, suite: Suite) -> MetricResult:
    signature = rule(suite)
    answers = [_parsed(row.answer) for row in rows]
    references = [[_parsed(text) for text in row.references] for row in rows]
    valid = [float(answer is not MISSING) for answer in answers]
    measures = [share_of("json_valid", valid, signature)]
    for path in metric.fields if metric.fields is not None else fields_of(rows):
        values = [
            _agrees(answer, accepted, path, suite, metric.lists.get(path))
            for answer, accepted in zip(answers, references, strict=True)
        ]
        measures.append(share_of(f"json_field/{path}", values, _as_list(metric, path, signature)))
    measures += _lists(answers, references, metric, suite)
    return MetricResult(measures)


def _lists(
    answers: list[Any], references: list[list[Any]], metric: JsonFields, suite: Suite
) -> list[Measure]:
    """The F1 of each field that holds a list, and the mean over those that a row has."""
    by_field = {
        path: [
            _best_f1(answer, accepted, path, order, suite)
            for answer, accepted in zip(answers, references, strict=True)
        ]
        for path, order in metric.lists.items()
    }
    signature = rule(suite)
    found = [
        mean_of(
            f"json_field/{path}/f1",
            values,
            signature=_as_list(metric, path, signature),
            scale=SHARE,
        )
        for path, values in by_field.items()
    ]
    if by_field:
        rows = [_mean_of_known(row) for row in zip(*by_field.values(), strict=True)]
        found.append(mean_of("json_list_f1", rows, signature=signature, scale=SHARE))
    return found


def _as_list(metric: JsonFields, path: str, signature: str) -> str:
    return f"{metric.lists[path]}|{signature}" if path in metric.lists else signature


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


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


def _best_f1(answer: Any, references: list[Any], path: str, order: str, suite: Suite) -> float:
    """The best F1 of a list over the references; nan when no reference has the field."""
    accepted = [_items(reference, path, suite) for reference in references]
    items = _items(answer, path, suite)
    known = [wanted for wanted in accepted if wanted is not None]
    if not known:
        return float("nan")
    return 0.0 if items is None else max(_f1(items, wanted, order) for wanted in known)


def _items(value: Any, path: str, suite: Suite) -> list[str] | None:
    """The items as comparable texts, one for a value that is no list; None without the field."""
    try:
        found = field(value, path)
    except KeyError:
        return None
    listed = found if isinstance(found, list) else [found]
    return [
        canonical(mapped(item, lambda text: normalize(text, suite.normalize))) for item in listed
    ]


def _f1(answer: list[str], reference: list[str], order: str) -> float:
    """2 · shared / (both lengths); two empty lists agree."""
    if order == "set":
        answer, reference = sorted(set(answer)), sorted(set(reference))
        shared = len(set(answer) & set(reference))
    else:
        shared = lcs_length(reference, answer)
    size = len(answer) + len(reference)
    return 2 * shared / size if size else 1.0


def _agrees(
    answer: Any, references: list[Any], path: str, suite: Suite, order: str | None
) -> float:
    """1 or 0; nan when no reference has the field."""
    accepted = {_value(reference, path, suite, order) for reference in references} - {None}
    if not accepted:
        return float("nan")
    return float(_value(answer, path, suite, order) in accepted)


def _value(value: Any, path: str, suite: Suite, order: str | None) -> str | None:
    """The field's value as comparable text, None when the field is not there."""
    try:
        found = field(value, path)
    except KeyError:
        return None
    if order == "set" and isinstance(found, list):
        return canonical(sorted(set(_items(value, path, suite) or [])))
    return canonical(mapped(found, lambda text: normalize(text, suite.normalize)))
