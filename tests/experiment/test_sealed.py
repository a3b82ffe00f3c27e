"""Whole experiments on a test split that is sealed, or that has been looked at before."""

from __future__ import annotations

import os
import signal
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from runner.base.errors import ConfigError
from runner.experiment.console import Console
from runner.experiment.looks import tested_on as rows_looked_at
from runner.experiment.plan import plan, planned_looks
from runner.records.experiments import ExperimentResult
from runner.records.looks import SplitLooks
from runner.report.terminal import plain_leaderboard
from runner.store.ledger import Ledger
from runner.tracking.sweep_run import sweep_tags
from tests.experiment.conftest import Trial
from tests.experiment.test_replicates import script

SEALED = "suite.sealed=true"
SCRIPT = script(e1=[40], e2=[70])


@pytest.fixture
def trial(plugged: Path) -> Trial:
    return Trial(plugged, rows=60)


def on_test(result: ExperimentResult) -> list[str]:
    return [arm.name for arm in result.arms if arm.test]


def asked(trial: Trial) -> Counter[str]:
    """Questions that were put to a model, by split."""
    calls = (trial.folder / "runs" / "calls").read_text().split()
    return Counter(row.partition("-")[0] for row in calls)


def looks(result: ExperimentResult) -> SplitLooks:
    (found,) = result.looks
    return found


def test_the_untuned_finalist_is_not_called_the_only_one(trial: Trial) -> None:
    result = trial.run(SCRIPT, SEALED, "baseline.few_shot=[1]").result
    assert [arm.name for arm in result.arms if arm.kind != "tuned" and arm.sealed]
    assert result.verdict
    assert "the best untuned arm on validation" in result.verdict.headline
    (choice,) = result.baselines
    assert choice.split == "validation"
    assert "of 2 it was chosen on" in choice.reason


def test_only_finalists_answer_a_sealed_test(trial: Trial) -> None:
    outcome = trial.run(SCRIPT, SEALED)
    result = outcome.result
    assert {arm.status for arm in result.arms} == {"done"}
    assert on_test(result) == ["zero-shot", "epochs 2"]
    assert asked(trial) == {"validation": 240, "test": 120}
    assert result.verdict
    assert result.verdict.headline.startswith("Tuning pays: epochs 2")
    assert [(item.arm, item.against) for item in result.differences] == [
        (result.arms[2].digest, result.arms[0].digest)
    ]
    (other,) = (arm for arm in result.arms if not arm.test)
    assert other.sealed
    assert other.validation
    (line,) = (
        line for line in plain_leaderboard(result).splitlines() if line.startswith("epochs 1")
    )
    assert "sealed" in line
    page = outcome.report.read_text(encoding="utf-8")
    assert ">sealed<" in page
    assert "It is sealed: only the winner on validation" in page
    assert "1 arm sealed: only the winner" in plain_leaderboard(result)
    assert "The seal holds: it was opened once" in page
    assert (looks(result).comparisons, looks(result).untuned) == (1, 1)
    # It is finished: the same command does nothing, and is no other look.
    again = trial.run(SCRIPT, SEALED)
    assert not again.fresh
    assert looks(again.result).looks == 2


def test_looking_again_is_said_for_ever(trial: Trial) -> None:
    trial.run(SCRIPT, SEALED)
    other = "tuning.learning_rate_multiplier=2"
    second = trial.run(SCRIPT, SEALED, other, name="second")
    assert on_test(second.result) == ["zero-shot", "epochs 2"]
    broken = looks(second.result).seal
    assert broken.startswith("The seal of this test split was broken on ")
    assert broken.endswith(" by second: 3 looks.")
    assert broken in second.report.read_text(encoding="utf-8")
    assert sweep_tags(second.result)["test.seal"] == broken
    # The first experiment's report is written anew, and says so as well.
    first = trial.run(SCRIPT, SEALED)
    assert first.fresh
    assert broken in first.report.read_text(encoding="utf-8")
    assert not trial.run(SCRIPT, SEALED).fresh


def test_a_seal_can_be_taken_off(trial: Trial) -> None:
    first = trial.run(SCRIPT, SEALED).result
    opened = trial.run(SCRIPT).result
    assert opened.digest == first.digest
    assert on_test(opened) == ["zero-shot", "epochs 1", "epochs 2"]
    assert trial.jobs == 2
    assert asked(trial) == {"validation": 240, "test": 180}
    assert "was broken on" in looks(opened).seal


def test_a_seal_after_all_arms_were_tested(trial: Trial) -> None:
    trial.run(SCRIPT)
    result = trial.run(SCRIPT, SEALED).result
    assert len(on_test(result)) == 3
    assert (
        looks(result).seal == "suite.sealed came too late for this test split: 3 looks before it."
    )


def test_all_replicates_of_the_winner_are_finalists(trial: Trial) -> None:
    scores = script(e1=[20, 55, 21], e2=[40, 41, 42])
    result = trial.run(scores, SEALED, "replicates=3").result
    assert on_test(result) == [
        "zero-shot",
        *("epochs 2", "epochs 2 · replicate 2", "epochs 2 · replicate 3"),
    ]
    assert result.verdict
    assert result.verdict.headline.startswith("Tuning pays: the recipe epochs 2")
    assert looks(result).comparisons == 1


def test_contenders_are_repeated_before_test_is_opened(trial: Trial) -> None:
    scores = script(e1=[5, 5], e2=[50, 52])
    result = trial.run(scores, SEALED, "replicates={count: 2, of: contenders}").result
    assert on_test(result) == ["zero-shot", "epochs 2", "epochs 2 · replicate 2"]
    assert [arm.name for arm in result.arms if arm.status == "skipped"] == [
        "epochs 1 · replicate 2"
    ]
    assert not trial.run(scores, SEALED, "replicates={count: 2, of: contenders}").fresh


def test_finalists_are_chosen_by_what_is_better(trial: Trial) -> None:
    metrics = "suite.metrics=[{kind: exact_match}, {kind: plugin, name: errors}]"
    result = trial.run(SCRIPT, SEALED, metrics, "suite.primary=errors").result
    assert on_test(result) == ["zero-shot", "epochs 2"]


def test_a_finalist_that_is_incomplete_is_asked_again(trial: Trial) -> None:
    with (trial.folder / "test.csv").open("a") as out:
        out.write("test question 777,answer 777\n")
    (trial.folder / "runs").mkdir()
    (trial.folder / "runs" / "busy").write_text("777")
    result = trial.run(SCRIPT, SEALED).result
    assert [arm.status for arm in result.arms] == ["incomplete", "done", "incomplete"]
    assert looks_at(trial) == []
    assert result.verdict
    assert "epochs 1 was chosen on validation, and has not answered the sealed test split" in (
        result.verdict.headline
    )
    (trial.folder / "runs" / "busy").unlink()
    result = trial.run(SCRIPT, SEALED).result
    assert on_test(result) == ["zero-shot", "epochs 2"]
    assert looks(result).looks == 2


def test_nobody_answers_before_all_that_may_win_have_ended(trial: Trial) -> None:
    with (trial.folder / "validation.csv").open("a") as out:
        out.write("validation question 777,answer 777\n")
    (trial.folder / "runs").mkdir()
    (trial.folder / "runs" / "busy").write_text("777")
    result = trial.run(SCRIPT, SEALED).result
    assert [arm.status for arm in result.arms] == ["done", "incomplete", "incomplete"]
    assert asked(trial)["test"] == 0
    (trial.folder / "runs" / "busy").unlink()
    assert on_test(trial.run(SCRIPT, SEALED).result) == ["zero-shot", "epochs 2"]


def test_a_rehearsal_is_no_look(trial: Trial) -> None:
    sweep = trial.sweep(SCRIPT)
    (arm, *_) = trial.run(SCRIPT).result.arms
    assert rows_looked_at(sweep.runs[arm.digest], arm)
    emulated = {**arm.config, "backend": {"emulator": "http://127.0.0.1:1"}}
    rehearsed = arm.model_copy(update={"config": emulated})
    assert rows_looked_at(sweep.runs[arm.digest], rehearsed) is None


def looks_at(trial: Trial) -> list[tuple[str, str, bool]]:
    book = Ledger(trial.folder / "runs").looks()
    return [(look.split, look.recipe, look.sealed) for look in book.looks]


def test_a_seal_needs_validation_rows(trial: Trial) -> None:
    none = ("source.validation=null", "prepare/split=given")
    with pytest.raises(
        ConfigError, match="there are no validation rows to choose the finalists by"
    ):
        trial.sweep(SCRIPT, SEALED, *none)
    # All rows are longer than what the model reads.
    (trial.folder / "validation.csv").write_text("text,label\n" + "long " * 400 + "question 1,a\n")
    short = "model.context_tokens=128"
    for use in (lambda: plan(trial.sweep(SCRIPT, SEALED, short), Console(silent=True)),
                lambda: trial.run(SCRIPT, SEALED, short)):  # fmt: skip
        with pytest.raises(
            ConfigError, match=r"suite\.sealed: is true, and there are no validation"
        ):
            use()
    assert not list((trial.folder / "runs" / "jobs").iterdir())


def planned(trial: Trial, *overrides: str) -> tuple[list[bool], SplitLooks]:
    sweep = trial.sweep(SCRIPT, *overrides)
    lines = plan(sweep, Console(silent=True))
    (found,) = planned_looks(sweep)
    return [line.sealed for line in lines], found


def test_a_plan_says_how_often_the_split_has_answered(trial: Trial) -> None:
    marked, before = planned(trial)
    assert marked == [False] * 3
    assert (before.looks, before.to_come) == (0, 2)
    marked, before = planned(trial, SEALED)
    assert sorted(marked) == [False, False, True]
    assert before.to_come == 1
    trial.run(SCRIPT, SEALED)
    marked, after = planned(trial, SEALED)
    assert marked == [False, True, False]
    assert (after.comparisons, after.to_come) == (1, 0)
    _, opened = planned(trial)
    assert (opened.comparisons, opened.to_come) == (1, 1)


def test_other_experiments_wear_the_split_out(trial: Trial) -> None:
    first = trial.run(SCRIPT, "suite.looks.warn=4").result
    assert (looks(first).comparisons, looks(first).worn) == (2, False)
    assert looks(first).held
    changes = ("suite.looks.warn=4", "tuning.learning_rate_multiplier=2")
    second = trial.run(SCRIPT, *changes, name="second")
    found = looks(second.result)
    assert (found.comparisons, found.untuned, found.experiments) == (4, 1, 2)
    assert found.worn
    assert "can be as high as 20 %" in found.trust
    assert second.result.verdict
    best = second.result.verdict.winner
    winner = next(item for item in second.result.differences if item.arm == best)
    assert found.held
    assert found.held.arm == best
    assert found.held.low < winner.low < winner.high < found.held.high
    assert '<p class="looks">' in second.report.read_text(encoding="utf-8")
    # Other margins ask nothing new, other cleaning makes no other split.
    same = (*changes, "suite.margin=0.1", "prepare.clean.whitespace=collapse")
    assert looks(trial.run(SCRIPT, *same, name="third").result).comparisons == 4


def test_the_interval_of_a_recipe_holds_for_all_comparisons(trial: Trial) -> None:
    scores = script(e1=[20, 22], e2=[50, 52])
    result = trial.run(scores, "replicates=2").result
    found = looks(result)
    assert found.comparisons == 2
    (of_recipe,) = (
        item for item in result.recipe_differences
        if not item.runs[1] and item.arm == result.recipes[0].digest
    )  # fmt: skip
    assert found.held
    assert found.held.low < of_recipe.low < of_recipe.high < found.held.high


def killed(trial: Trial, at: int, *overrides: str) -> bool:
    """Whether a run was killed right before its `at`-th record of an arm was committed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # libraries' threads hold no lock here
        child = os.fork()
    if not child:
        _die_at(at)
        trial.run(SCRIPT, *overrides)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def _die_at(at: int) -> None:
    records, put = [0], Ledger.put_arm

    def counting(self: Ledger, *given: Any) -> None:
        records[0] += 1
        put(self, *given)

    def die(_: object) -> None:
        if records[0] > at:
            os.kill(os.getpid(), signal.SIGKILL)

    Ledger.put_arm = counting  # type: ignore[method-assign]
    event.listen(Engine, "commit", die)


def test_kills_neither_lose_nor_double_a_look(
    trial: Trial, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kills = 0
    while killed(trial, kills, SEALED):
        kills += 1
    assert kills > 3
    unbroken = Trial(tmp_path_factory.mktemp("unbroken"), rows=60)
    os.chdir(unbroken.folder)
    unbroken.run(SCRIPT, SEALED)
    assert looks_at(trial) == looks_at(unbroken)
    assert len(looks_at(trial)) == 2
