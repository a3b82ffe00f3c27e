"""From an example and its prediction to what metrics judge, and to the row that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.config import Suite
from runner.errors import DataError, RowFault
from runner.evaluation.extract import extracted, extracted_reference
from runner.evaluation.measure import Judged
from runner.plural import plural
from runner.records import Example, Prediction


def rows_of(
    examples: Sequence[Example], predictions: Sequence[Prediction], suite: Suite
) -> list[dict[str, Any]]:
    """One row an example, in their order, ready for JSONL; ``scores`` are still empty.

    ``extracted`` is None where there is no answer, or no judged part in it. Raises ValueError
    when examples and predictions do not belong together, DataError for targets that have no
    JSON where the suite asks for it.
    """
    answers = {prediction.id: prediction for prediction in predictions}
    asked = {example.id for example in examples}
    if len(asked) != len(examples) or asked != answers.keys():
        missing = sorted(asked - answers.keys())[:3]
        raise ValueError(
            f"{len(predictions)} predictions do not answer {len(examples)} examples with "
            f"{len(asked)} ids one to one; unanswered: {missing}"
        )
    check_targets(examples, suite)
    return [_row(example, answers[example.id], suite) for example in examples]


def check_targets(examples: Sequence[Example], suite: Suite) -> None:
    """Raise DataError for every target and reference the suite cannot judge an answer by.

    Cheap; worth calling before anything is generated.
    """
    faults = []
    for example in examples:
        for name, text in [("target", example.target), *_named(example.references)]:
            try:
                extracted_reference(text, suite)
            except ValueError:
                message = f"has no JSON value, but suite.extract.kind is json: {text[:80]!r}"
                place = example.origin
                faults.append(RowFault(place.file, place.line, "target_not_json", message, name))
    if faults:
        raise DataError(
            f"{plural(len(faults), 'target')} cannot be compared as JSON; another suite, "
            "such as text, compares them as they are",
            faults,
        )


def _named(references: Sequence[str]) -> list[tuple[str, str]]:
    return [("references", text) for text in references]


def _row(example: Example, answer: Prediction, suite: Suite) -> dict[str, Any]:
    return {
        "id": example.id,
        "prompt": example.prompt,
        "target": example.target,
        "references": list(example.references),
        "text": answer.text,
        "extracted": None if answer.error else extracted(answer.text, suite),
        "error": answer.error,
        "finish": answer.finish,
        "slices": dict(example.slices),
        "scores": {},
    }


def judged(row: Mapping[str, Any], suite: Suite) -> Judged:
    """An answered row as metrics see it."""
    texts = (row["target"], *row.get("references", ()))
    return Judged(row["extracted"], tuple(extracted_reference(text, suite) for text in texts))
