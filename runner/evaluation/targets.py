"""Whether a suite can score answers to these rows at all, before anything is generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.base.errors import ConfigError, Problem
from runner.config import JsonFields, Suite
from runner.evaluation.extract import check_comparable, extracted_reference
from runner.evaluation.json_text import field, leaves, parse
from runner.records import Example

SHOWN = 20
"""Fields of the references that an error lists."""


def check_targets(examples: Sequence[Example], suite: Suite) -> None:
    """Raise DataError for every target and reference the suite cannot compare an answer with,
    ConfigError for a field of a `json_fields` metric that none of the `examples` has.

    Cheap; worth calling with the rows of all splits, since a field may be missing in one of them.
    """
    check_comparable(examples, suite)
    if problems := list(_absent_fields(examples, suite)):
        raise ConfigError(problems)


def _absent_fields(examples: Sequence[Example], suite: Suite) -> Iterator[Problem]:
    for number, metric in enumerate(suite.metrics):
        if not isinstance(metric, JsonFields) or not examples:
            continue
        named = {"fields": metric.fields or [], "lists": list(metric.lists)}
        absent = set(named["fields"]) | set(named["lists"])
        there: set[str] = set()
        for value in _references(examples, suite):
            there.update(leaves(value))
            absent = {path for path in absent if not _has(value, path)}
            if not absent:
                break
        for key, paths in named.items():
            for path in (each for each in paths if each in absent):
                listed = ", ".join(sorted(there)[:SHOWN]) or "none"
                more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
                message = f"no reference has the field {path!r}; there are {listed}{more}"
                hint = "name one of them, nested ones as a.b, or take it out"
                yield Problem(f"suite.metrics[{number}].{key}", message, hint=hint)


def _references(examples: Iterable[Example], suite: Suite) -> Iterator[object]:
    """The references' JSON values; one that is no JSON has no fields."""
    for example in examples:
        for text in (example.target, *example.references):
            try:
                yield parse(extracted_reference(text, suite))
            except ValueError:
                continue


def _has(value: object, path: str) -> bool:
    try:
        field(value, path)
    except KeyError:
        return False
    return True
