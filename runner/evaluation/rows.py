"""From an example and its prediction to what metrics score, and to the row that is kept."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config import Suite
from runner.errors import DataError, RowFault
from runner.evaluation.extract import extracted, extracted_reference
from runner.evaluation.measure import ScoredAnswer
from runner.evaluation.unanswered import cause_of
from runner.plural import plural
from runner.records import Example, Prediction, ScoredRow


def rows_of(
    examples: Sequence[Example], predictions: Sequence[Prediction], suite: Suite
) -> list[ScoredRow]:
    """One row an example, in their order, without scores yet.

    Raises ValueError when examples and predictions do not belong together or the service owes
    an answer, DataError for targets that have no JSON where the suite asks for it.
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
    """Raise DataError for every target and reference the suite cannot compare an answer with.

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


def _row(example: Example, answer: Prediction, suite: Suite) -> ScoredRow:
    found = None if answer.error else extracted(answer.text, suite)
    cause = cause_of(answer, found, (example.target, *example.references), suite)
    return ScoredRow(
        id=example.id,
        prompt=example.prompt,
        target=example.target,
        references=tuple(example.references),
        text=answer.text,
        extracted=None if cause else found,
        error=answer.error,
        finish=answer.finish,
        unanswered=cause or "",
        slices=dict(example.slices),
    )


def answer_of(row: ScoredRow, suite: Suite) -> ScoredAnswer:
    """A row as metrics see it."""
    texts = (row.target, *row.references)
    return ScoredAnswer(row.extracted, tuple(extracted_reference(text, suite) for text in texts))
