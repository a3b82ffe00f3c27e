"""Answers that are kept in the store."""

from __future__ import annotations

from pathlib import Path

from runner.inference.predict import refuse_gaps
from runner.records import Prediction, read_jsonl


def stored_answers(file: Path) -> list[Prediction]:
    """The predictions in their order.

    Raises a transient BackendError for a file of an earlier version that was finished although
    the service owed answers: nobody knows what the model would have said.
    """
    answers = [Prediction.from_json(row) for row in read_jsonl(file)]
    refuse_gaps(answers, f"delete the folder {file.parent} and give the same command again")
    return answers
