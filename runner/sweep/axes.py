"""What a sweep cannot vary: its points have to be arms of one experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.errors import ConfigError, Problem
from runner.sweep.arms import Point

ONE_PLACE = ("name", "paths", "store", "tracking")
"""Where an experiment is kept is the same for all of its arms."""

SCORED_BY = {"name", "metrics", "primary", "normalize", "extract", "bootstrap", "slice_min"}
SCORED_BY |= {"unanswered", "max_unanswered"}
"""What of a suite decides how an answer is scored; how it is generated may vary."""


def check_one_experiment(points: Sequence[Point]) -> None:
    """Raise ConfigError for points that differ in where they are kept or how they are scored."""
    problems = [
        Problem(
            key,
            "differs between the arms, but one experiment is kept in one place",
            hint="run one experiment for each value",
        )
        for key in ONE_PLACE
        if _differ([point.experiment.model_dump(mode="json")[key] for point in points])
    ]
    suites = [point.experiment.suite.model_dump(mode="json", include=SCORED_BY) for point in points]
    if _differ(suites):
        message = "differs between the arms, but arms are compared by one and the same measure"
        hint = "put all metrics into one suite, or run one experiment for each suite"
        problems.append(Problem("suite", message, hint=hint))
    if problems:
        raise ConfigError(problems)


def _differ(values: Sequence[Mapping[str, Any] | str]) -> bool:
    return any(value != values[0] for value in values)
