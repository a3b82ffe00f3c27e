"""The group `guard`, from the YAML to the page: what tuning costs beside the task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import ConfigError, DataError
from runner.experiment.answer_sets import foreseen
from runner.experiment.console import Console
from runner.experiment.guard_rows import guard_rows
from runner.experiment.plan import plan
from runner.experiment.run import RunOutcome
from runner.tracking.facts import arm_measures
from runner.verdict.gates import exit_code
from tests.experiment.conftest import Trial

ROWS = 200
ON = ("sweep.grid={}", "tuning.epochs=1", "guard=general", "guard.rows=guard.jsonl")


def script(untuned: int, tuned: int, later: int | None = None) -> dict[str, Any]:
    """Up to which of the guard's rows the untuned model and the two checkpoints are right."""
    return {
        "0": {"right_to": 20, "guard": untuned},
        "1.1": {"right_to": 50, "guard": tuned},
        "1.2": {"right_to": 60, "guard": tuned if later is None else later},
    }


@pytest.fixture
def trial(plugged: Path) -> Trial:
    rows = [
        {
            "id": f"g{number}",
            "kind": "even" if number % 2 == 0 else "odd",
            "prompt": f"guard question {number}",
            "conditions": {"starts": "answer"},
        }
        for number in range(ROWS)
    ]
    (plugged / "guard.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return Trial(plugged, rows=100)


def asked(trial: Trial) -> int:
    return (trial.folder / "runs" / "calls").read_text().count("g1\n")


def said(outcome: RunOutcome) -> str:
    verdict = outcome.result.verdict
    assert verdict
    return " ".join([verdict.headline, *verdict.reasons])


def page(trial: Trial) -> str:
    (found,) = (trial.folder / "runs" / "reports").glob("*/report.html")
    return found.read_text(encoding="utf-8")


def test_a_guard_that_is_kept(trial: Trial) -> None:
    outcome = trial.run(script(180, 10, later=178), *ON, "baseline.few_shot=[1]")
    result = outcome.result
    assert exit_code(result) == 0
    # The untuned model and the checkpoint that is shipped; not the others, nor worked examples.
    assert asked(trial) == 2
    (found,) = result.guards
    assert found.gate.passed
    assert (found.gate.ours, found.gate.theirs) == (0.89, 0.9)
    assert (found.lost, found.won) == (2, 0)
    assert [(kind.name, kind.ours, kind.theirs) for kind in found.kinds] == [
        ("even", 89, 90),
        ("odd", 89, 90),
    ]
    assert [loss.id for loss in found.losses] == ["g178", "g179"]
    assert "Guard kept: tuned has not lost 0.05 or more: it meets 0.89" in said(outcome)
    arm = result.arm(found.arm)
    logged = {item.key: item.value for item in arm_measures(result, arm)}
    assert logged["guard/constraints"] == 0.89
    assert [value for name, value in logged.items() if "odd" in name] == [0.89]
    assert 'id="guard"' in page(trial)
    assert "guard question 178" in page(trial)
    assert result.verdict
    assert result.verdict.winner == found.arm
    # What an arm's artifacts are called for are its test answers: another guard is no other look.
    bare = trial.run(script(180, 10, later=178), *ON[:2], "baseline.few_shot=[1]").result
    assert [each.comparisons for each in bare.looks] == [1]
    last = bare.arm(bare.leading)
    assert {stage: last.artifacts[stage] for stage in ("predict", "score")} == {
        stage: arm.artifacts[stage] for stage in ("predict", "score")
    }


def test_a_winner_that_loses_the_guard_is_not_the_winner_without_saying_so(trial: Trial) -> None:
    outcome = trial.run(script(180, 120), *ON)
    assert outcome.result.verdict
    assert outcome.result.verdict.winner
    assert "But it has lost the guard." in said(outcome)
    assert "Guard lost: tuned has lost general ability: it meets 0.60" in said(outcome)
    assert "most of it in even, 60 of 100 against 90" in said(outcome)
    assert exit_code(outcome.result) == 0
    refused = trial.run(script(180, 120), *ON, "guard.required=true")
    assert refused.result.verdict
    assert not refused.result.verdict.winner
    assert "No winner: tuned may be worse than zero-shot in constraints" in said(refused)
    assert "guard.required" in said(refused)
    assert exit_code(refused.result) == 4


def test_what_cannot_be_shown_is_not_called_lost_or_kept(trial: Trial) -> None:
    close = trial.run(script(180, 172), *ON)
    assert "Guard not kept: tuned may have lost 0.05 or more" in said(close)
    assert "But it is not shown to have kept the guard." in said(close)
    nothing = trial.run(script(0, 0), *ON, name="nothing")
    assert "it meets 0 of 200 rows itself, so there is nothing to lose" in said(nothing)
    (found,) = nothing.result.guards
    assert not found.gate.passed


def test_another_margin_asks_nothing_again_and_other_rows_do(trial: Trial) -> None:
    trial.run(script(180, 172), *ON)
    wide = trial.run(script(180, 172), *ON, "guard.margin=0.1")
    assert "Guard kept" in said(wide)
    assert asked(trial) == 2
    rows = trial.folder / "guard.jsonl"
    rows.write_text(rows.read_text().replace('guard question 1"', 'guard question 1000"'))
    trial.run(script(180, 172), *ON)
    assert asked(trial) == 4


def test_a_plan_counts_the_guard(trial: Trial) -> None:
    sweep = trial.sweep(script(180, 178), *ON, "baseline.few_shot=[1]")
    plan(sweep, Console(silent=True))
    sets = {
        arm.name: [(each.split, each.what) for each in foreseen(sweep.runs[arm.digest])]
        for arm in sweep.arms
    }
    assert sets["zero-shot"][-2] == ("guard", "baseline guard")
    assert sets["tuned"][-2:] == [("guard", "guard"), ("test", "test")]
    assert "guard" not in dict(sets["1-shot"])


def test_every_bad_row_is_named(trial: Trial) -> None:
    file = trial.folder / "guard.jsonl"
    file.write_text(
        '{"prompt": "a", "conditions": {"words": [1, 2]}}\n{nope\n[1]\n{"prompt": "b"}\n'
        '{"id": "x", "prompt": "c", "conditions": "{}"}\n'
        '{"id": "x", "prompt": "d", "conditions": "{}"}\n'
    )
    with pytest.raises(DataError, match="4 of its rows cannot be used") as caught:
        trial.sweep(script(1, 1), *ON)
    assert [fault.line for fault in caught.value.faults] == [2, 3, 4, 6]
    for text, said in {
        '{"prompt": "a", "conditions": {"word": [1, 2]}}\n': "`constraints`",
        "\n": "has no rows",
    }.items():
        file.write_text(text)
        with pytest.raises(DataError, match=said):
            trial.sweep(script(1, 1), *ON)
    file.unlink()
    with pytest.raises(DataError, match="there is no file"):
        trial.sweep(script(1, 1), *ON)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("guard.suite.primary=exact_match",), "has to pick by `constraints`"),
        (("guard.margin=0",), "guard.margin"),
        (("-m", "guard.margin=0.1,0.2"), "arms are held against one guard"),
    ],
)
def test_what_a_guard_cannot_be(trial: Trial, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trial.sweep(script(1, 1), *ON, *words)


def test_the_shipped_rows_are_the_guard_unless_others_are_named(trial: Trial) -> None:
    guard = trial.sweep(script(1, 1), *ON, "guard.rows=null").arms[0].experiment.guard
    assert len(guard_rows(guard)) == 207  # type: ignore[arg-type]
