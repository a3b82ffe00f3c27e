"""`diagnosis` in a YAML: names that are refused, thresholds, and what they do not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.base.errors import ConfigError
from runner.config import Diagnosis
from runner.experiment.arms import check_one_experiment, expand
from tests.compose.composing import compose_text, problems_of

MINIMAL = "source: {train: a.csv}\n"


def test_an_unknown_finding_cannot_be_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL, "diagnosis.refuse=[overfiting]")
    assert problem.key == "diagnosis.refuse.0"
    assert "overfitting" in f"{problem.message} {problem.hint}"


def test_thresholds_change_no_arm(tmp_path: Path) -> None:
    """What was tuned and paid for is found again under other thresholds."""
    plain = compose_text(tmp_path, MINIMAL).points
    strict = compose_text(
        tmp_path, MINIMAL, "diagnosis=strict", "diagnosis.overfitting.rise=1"
    ).points
    arms = [[arm.digest for arm in expand(points, ["d"])] for points in (plain, strict)]
    assert arms[0] == arms[1]
    assert strict[0].experiment.diagnosis.overfitting.rise == 1
    assert "overfitting" in strict[0].experiment.diagnosis.refuse


def test_thresholds_are_one_thing_for_all_arms(tmp_path: Path) -> None:
    points = compose_text(tmp_path, MINIMAL, "-m", "diagnosis.overfitting.rise=0.1,0.2").points
    with pytest.raises(ConfigError, match="they are all searched for the same things"):
        check_one_experiment(points)


def test_what_is_shipped_is_what_the_schema_says(tmp_path: Path) -> None:
    (point,) = compose_text(tmp_path, MINIMAL).points
    assert point.experiment.diagnosis == Diagnosis()
