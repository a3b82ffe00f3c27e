"""`suite.checkpoint`, from the YAML to the page: which checkpoint answers test, who is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.report.arms import checkpoints
from runner.report.scoreboard import board
from runner.tracking.arm_run import arm_note
from runner.tracking.facts import RunIds
from tests.experiment.conftest import Trial

SCRIPT: dict[str, Any] = {
    "0": {"right_to": 5},
    "1.1": {"right_to": 39},
    "1.2": {"right_to": 40},
}
"""The second checkpoint is right on one row more: a tie."""
ONE = ("sweep.grid={}", "tuning.epochs=1")


@pytest.mark.parametrize(
    ("rule", "chosen", "asked"), [("best", "2", 100), ("tied", "1", 100), ("last", "2", 50)]
)
def test_the_rule_chooses(trial: Trial, rule: str, chosen: str, asked: int) -> None:
    result = trial.run(SCRIPT, *ONE, f"suite.checkpoint={rule}").result
    (arm,) = [arm for arm in result.arms if arm.kind == "tuned"]
    assert arm.best == chosen
    calls = (trial.folder / "runs" / "calls").read_text().split()
    # Test is answered twice: by the untuned model, and by the chosen checkpoint.
    assert len(calls) == asked + 100
    note = arm_note(result, arm, RunIds("", "", {}))
    said = {"best": "by exact_match", "tied": "as the earliest that is tied", "last": "as the last"}
    assert said[rule] in note


def test_the_page_shows_ties_and_what_the_loss_would_have_chosen(trial: Trial) -> None:
    result = trial.run(SCRIPT, *ONE).result
    (arm,) = [arm for arm in result.arms if arm.kind == "tuned"]
    assert [item.tied for item in arm.checkpoints] == [True, False]
    found = checkpoints(board(result), "exact_match", {arm.digest: "" for arm in result.arms}, 3)
    assert found is not None
    assert [row.standing for row in found.rows] == ["tied with the best, lowest loss", "chosen"]
    assert "one standard error" in found.rule
    assert "the same in 0 of 1 arm" in found.rule


def test_the_rule_can_be_swept(trial: Trial) -> None:
    outcome = trial.run(SCRIPT, "sweep.grid={suite.checkpoint: [best, tied]}", "tuning.epochs=1")
    tuned = [arm for arm in outcome.result.arms if arm.kind == "tuned"]
    assert sorted(arm.best for arm in tuned) == ["1", "2"]
    assert trial.jobs == 1
    assert Path(tuned[0].artifacts["tune"]) == Path(tuned[1].artifacts["tune"])
