"""Small suites, examples and predictions for these tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.config import Suite
from runner.evaluation import score
from runner.records import Example, Origin, Prediction, ScoredRow, Turn
from runner.records.results import Scores


def suite(*metrics: str | dict[str, Any], **changes: Any) -> Suite:
    """A suite of these metrics; the first one's own score is primary unless said otherwise."""
    listed = [item if isinstance(item, dict) else {"kind": item} for item in metrics]
    first = {"classification": "accuracy", "sacrebleu": "bleu", "rouge": "rouge1"}
    primary = first.get(listed[0]["kind"], listed[0]["kind"])
    if listed[0]["kind"] == "json_fields":
        primary = "json_valid"
    raw = {"name": "t", "metrics": listed, "primary": primary, "bootstrap": {"samples": 200}}
    return Suite.model_validate({**raw, **changes})


def example(
    target: str,
    name: str,
    references: Sequence[str] = (),
    slices: dict[str, str] | None = None,
    group: str = "",
) -> Example:
    return Example(
        id=name,
        contents=(Turn("user", f"prompt of {name}"),),
        target=target,
        origin=Origin("test.jsonl", 1),
        references=tuple(references),
        slices=slices or {},
        group=group,
    )


def scored(
    pairs: Sequence[tuple[str, str] | tuple[str, str, list[str]]], chosen: Suite, seed: int = 1
) -> tuple[Scores, list[ScoredRow]]:
    """Score (target, answer) or (target, answer, further references)."""
    examples, answers = [], []
    for index, (target, answer, *more) in enumerate(pairs):
        name = f"r{index:05d}"
        examples.append(example(target, name, more[0] if more else ()))  # type: ignore[arg-type]
        answers.append(Prediction(name, answer))
    return score(examples, answers, chosen, "test", seed)


def values(scores: Scores) -> dict[str, float]:
    return {name: item.value for name, item in scores.overall.items()}
