"""Whole experiments with replicates: what is run, what is claimed of recipes, what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import ConfigError
from runner.experiment.console import Console
from runner.experiment.plan import plan
from runner.experiment.power import Detectable, detectable
from runner.experiment.stages import data_stages
from runner.experiment.tune_stage import TuneStage
from runner.records import read_rows
from runner.records.experiments import ExperimentResult
from runner.records.results import Difference
from runner.report.terminal import plain_leaderboard
from runner.statistics.recipes import Estimate, needed
from runner.tracking.arm_run import arm_tags
from runner.tracking.facts import RunIds
from runner.tracking.sweep_run import sweep_run
from tests.experiment.conftest import Trial


def right(rows: int) -> dict[str, int]:
    return {"right_to": rows}


def script(**by_arm: list[int]) -> dict[str, Any]:
    """``e1=[60, 40, 50]``: the tuned model of one epoch is right on so many rows by replicate."""
    found = {"0": right(5)}
    for name, scores in by_arm.items():
        for at, score in enumerate(scores):
            for checkpoint in (1, 2):
                found[f"{name[1:]}.{checkpoint}@{17 + at}"] = right(score)
    return found


@pytest.fixture
def trial(plugged: Path) -> Trial:
    return Trial(plugged, rows=100)


def rival(result: ExperimentResult) -> Difference:
    """The best recipe against the other one."""
    return next(item for item in result.recipe_differences if item.runs[1])


def test_a_lucky_run_does_not_win_for_its_recipe(trial: Trial) -> None:
    """One epoch has the best run and the lower mean."""
    result = trial.run(script(e1=[70, 40, 40], e2=[56, 58, 60]), "replicates=3").result
    assert [arm.name for arm in result.arms] == [
        *("zero-shot", "epochs 1", "epochs 2"),
        *("epochs 1 · replicate 2", "epochs 2 · replicate 2"),
        *("epochs 1 · replicate 3", "epochs 2 · replicate 3"),
    ]
    best, other = result.recipes
    assert (best.name, other.name) == ("epochs 2", "epochs 1")
    assert best.scores == [0.56, 0.58, 0.60]
    assert best.deviation == pytest.approx(0.02)
    assert best.test is not None
    assert best.test.value == pytest.approx(0.58)
    assert best.test.low < 0.56 < 0.60 < best.test.high
    # What is shipped is its best replicate on validation; what is claimed is the mean.
    assert result.arm(best.shipped).name == "epochs 2 · replicate 3"
    assert result.verdict
    assert result.verdict.winner == best.shipped
    assert result.verdict.headline.startswith(
        "Tuning pays: the recipe epochs 2 reaches exact_match 0.580 on average over 3 replicates, "
        "+0.530 ["
    )
    said = " ".join(result.verdict.reasons)
    assert "To ship: Tuning pays: epochs 2 · replicate 3 reaches exact_match 0.600" in said
    assert "Its replicates have 0.560, 0.580, 0.600 on test (standard deviation 0.020)." in said
    assert rival(result).outcome == "undecided"
    assert rival(result).settles
    assert "It cannot be told from epochs 1 (+0.080 [" in said
    assert len(result.tied) == 2


def test_clearly_better_recipes_are_told_apart(trial: Trial) -> None:
    result = trial.run(script(e1=[40, 42, 41], e2=[78, 80, 79]), "replicates=3").result
    found = rival(result)
    assert found.outcome == "better"
    assert found.runs == (3, 3)
    assert found.low > 0
    assert result.tied == [result.recipes[0].digest]
    assert result.verdict
    assert "It beats epochs 1 (+0.380 [" in " ".join(result.verdict.reasons)


def test_without_replicates_nothing_is_claimed_of_recipes(trial: Trial) -> None:
    result = trial.run(script(e1=[40], e2=[90])).result
    assert result.recipe_differences == []
    assert result.spread is None
    assert result.verdict
    assert "recipe" not in result.verdict.headline


def test_a_margin_makes_two_recipes_equivalent(trial: Trial) -> None:
    scores = script(e1=[50, 50, 50], e2=[51, 51, 51])
    asked = ("replicates=3", "suite.margin=0.2")
    result = trial.run(scores, *asked).result
    assert rival(result).outcome == "equivalent"
    assert result.verdict
    assert "It is equivalent to epochs 1" in " ".join(result.verdict.reasons)
    assert rival(trial.run(scores, "replicates=3", name="none").result).outcome != "equivalent"


def test_more_replicates_go_on_from_those_there_are(trial: Trial) -> None:
    trial.run(script(e1=[40, 41, 42], e2=[50, 51, 52]))
    assert trial.jobs == 2
    trial.run(script(e1=[40, 41, 42], e2=[50, 51, 52]), "replicates=3")
    assert trial.jobs == 6


def test_only_contenders_are_repeated(trial: Trial) -> None:
    scores = script(e1=[10, 10, 10], e2=[80, 82, 81])
    asked = "replicates={count: 3, of: contenders}"
    outcome = trial.run(scores, asked)
    assert trial.jobs == 4
    assert [(arm.name, arm.status) for arm in outcome.result.arms if arm.replicate > 1] == [
        ("epochs 1 · replicate 2", "skipped"),
        ("epochs 2 · replicate 2", "done"),
        ("epochs 1 · replicate 3", "skipped"),
        ("epochs 2 · replicate 3", "done"),
    ]
    assert outcome.result.verdict
    assert outcome.result.verdict.headline.startswith("Tuning pays: the recipe epochs 2")
    assert "2 replicates skipped" in plain_leaderboard(outcome.result)
    assert "epochs 1 · replicate 2" not in plain_leaderboard(outcome.result)
    page = outcome.report.read_text(encoding="utf-8")
    assert "2 replicates were skipped" in page
    assert "judged by rows and runs together" in page
    # The one run of the other recipe is held against three, with the spread of these.
    assert rival(outcome.result).runs == (3, 1)
    # It is finished: the same command does nothing.
    assert not trial.run(scores, asked).fresh


def test_all_replicates_can_be_asked_for_later(trial: Trial) -> None:
    """The arms are the same ones, so the experiment is as well."""
    scores = script(e1=[10, 11], e2=[80, 82])
    trial.run(scores, "replicates={count: 2, of: contenders}")
    assert trial.jobs == 3
    outcome = trial.run(scores, "replicates=2")
    assert outcome.fresh
    assert trial.jobs == 4
    assert {arm.status for arm in outcome.result.arms} == {"done"}


def test_who_contends_goes_by_what_runs_are_taken_to_vary_by(trial: Trial) -> None:
    scores = script(e1=[40, 41], e2=[70, 71])
    asked = "replicates={count: 2, of: contenders}"
    trial.run(scores, asked)
    assert trial.jobs == 3
    trial.run(scores, asked, "planning.run_deviation=0.3", "suite.name=other", name="wide")
    assert trial.jobs == 4


def test_without_validation_no_recipe_is_the_best(trial: Trial) -> None:
    """The test rows chose it: it would be better on them by luck alone."""
    scores = script(e1=[40, 41], e2=[70, 71])
    result = trial.run(
        scores, "replicates=2", "source.validation=null", "prepare/split=given"
    ).result
    assert result.tied == []
    assert [item.runs for item in result.recipe_differences] == [(2, 0), (2, 0)]
    assert result.verdict
    assert "Without validation rows no recipe was chosen" in " ".join(result.verdict.reasons)


def test_replicates_without_an_untuned_model(trial: Trial) -> None:
    outcome = trial.run(
        script(e1=[40, 44, 42]),
        *("sweep.grid={}", "tuning.epochs=1", "replicates=3"),
        *("baseline.zero_shot=false", "baseline.skip_reason=known"),
    )
    assert outcome.result.verdict
    assert "Its replicates have 0.400, 0.440, 0.420" in " ".join(outcome.result.verdict.reasons)
    assert "judged by rows and runs together" in outcome.report.read_text(encoding="utf-8")


def test_tracking_has_the_recipes(trial: Trial) -> None:
    result = trial.run(
        script(e1=[10, 10], e2=[80, 82]), "replicates={count: 2, of: contenders}"
    ).result
    facts = sweep_run(result, None, {}, RunIds("1", "parent", {}))
    table = facts.tables["recipes.json"]
    assert [row[:3] for row in table.rows] == [("epochs 2", 2, 0.81), ("epochs 1", 1, 0.1)]
    assert {item.key: item.value for item in facts.measures}["recipe/mean"] == 0.81
    assert facts.state == "FINISHED"
    # Replicates that were skipped are no lines of the leaderboard; the description counts them.
    assert len(facts.tables["leaderboard.json"].rows) == 4
    assert "1 replicate skipped" in facts.tags["mlflow.note.content"]
    assert arm_tags(result, result.arms[-1], "")["recipe"] == result.arms[-1].recipe


def test_close_recipes_are_all_contenders(trial: Trial) -> None:
    trial.run(script(e1=[50, 51], e2=[53, 52]), "replicates={count: 2, of: contenders}")
    assert trial.jobs == 4


def test_seeds_are_no_arms(trial: Trial) -> None:
    with pytest.raises(ConfigError) as caught:
        trial.sweep(script(), "sweep.grid={seed: [1, 2, 3]}")
    assert "seed: one recipe under other seeds is no other arm" in str(caught.value)
    assert "replicates: 3" in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("replicates=0", "it has to be at least 1"),
        ("replicates=many", "replicates: has to be a number of runs, or {count: 3, of: conten"),
        ("replicates=2.5", "replicates: has to be a number of runs"),
        ("replicates=null", "replicates: has to be a number of runs"),
        ("replicates=[3]", "replicates: this is a mapping, and a list was given"),
        ("replicates={count: 2, off: all}", "did you mean `replicates.of`?"),
        ("replicates.of=some", "allowed are 'all' or 'contenders'"),
        ("suite.margin=0", "it has to be greater than 0"),
    ],
)
def test_what_cannot_be_is_refused(trial: Trial, asked: str, told: str) -> None:
    mapping = ["replicates={count: 2, of: all}"] if "[" in asked else []
    with pytest.raises(ConfigError) as caught:
        trial.sweep(script(), *mapping, asked)
    assert told in str(caught.value)


def test_replicates_share_the_data_that_is_not_drawn(trial: Trial) -> None:
    def folders(*overrides: str) -> set[str]:
        sweep = trial.sweep(script(e1=[1, 1, 1]), "tuning.epochs=1", "sweep.grid={}", *overrides)
        runs = [sweep.runs[arm.digest] for arm in sweep.arms if arm.kind == "tuned"]
        assert len({each.digest(TuneStage()) for each in runs}) == 3
        return {each.digest(data_stages(each, sweep.stages)[-1]) for each in runs}

    assert len(folders("replicates=3")) == 1
    assert len(folders("replicates=3", "prepare.select.size=40")) == 3


def test_evaluation_rows_are_the_same_for_all_replicates(trial: Trial) -> None:
    result = trial.run(
        script(e1=[50, 51, 52]),
        *("sweep.grid={}", "tuning.epochs=1", "replicates=3", "prepare.select.size=40"),
        "source.test=null",
    ).result
    asked = {
        tuple(row.id for row in read_rows(Path(arm.predictions["test"]))) for arm in result.arms
    }
    assert len(asked) == 1


def test_the_plan_says_what_can_be_shown(trial: Trial) -> None:
    def told(*overrides: str) -> Detectable:
        sweep = trial.sweep(script(), *overrides)
        found = detectable(sweep, plan(sweep, Console(silent=True)))
        assert found
        return found

    one, three = told(), told("replicates=3")
    assert one.between is None
    assert any("nothing about which recipe is better" in line for line in one.warnings)
    assert three.between is not None
    assert not any("nothing about" in line for line in three.warnings)
    finer = told("replicates=3", "planning.run_deviation=0.005", "planning.row_variance=0.1")
    assert finer.between is not None
    assert finer.between < three.between
    small = told("replicates=3", "suite.margin=0.001")
    assert any("nothing will be called equivalent" in line for line in small.warnings)
    assert any("more test rows" in line for line in told("planning.large=0.01").warnings)


def test_earlier_replicates_are_leaned_on(trial: Trial) -> None:
    scores = script(e1=[40, 60, 50], e2=[50, 52, 54])
    first = trial.run(scores, "replicates=3", name="first").result
    other = "tuning.learning_rate_multiplier=2"
    second = trial.run(scores, "replicates=2", other, name="second").result
    assert first.verdict
    assert second.verdict
    assert "degrees of freedom" not in " ".join(first.verdict.reasons)
    assert (
        "The spread of runs rests on 2 degrees of freedom of this experiment and 2 of earlier ones"
        in " ".join(second.verdict.reasons)
    )
    sweep = trial.sweep(scores, "replicates=3", name="third")
    found = detectable(sweep, plan(sweep, Console(silent=True)))
    assert found
    assert found.basis == "earlier replicates of tiny-random, 6 degrees of freedom"


def test_runs_do_not_count_again_as_earlier_ones(trial: Trial) -> None:
    """The same replicates in a second experiment, with one more."""
    scores = script(e1=[40, 60, 50, 45], e2=[50, 52, 54, 51])
    trial.run(scores, "replicates=3")
    again = trial.run(scores, "replicates=4").result
    assert again.verdict
    assert "degrees of freedom" not in " ".join(again.verdict.reasons)


def test_uneven_spreads_are_noticed(trial: Trial) -> None:
    scores = script(e1=[10, 90, 20, 80, 50, 55], e2=[50, 50, 51, 51, 50, 51])
    result = trial.run(scores, "replicates=6").result
    assert result.verdict
    said = " ".join(result.verdict.reasons)
    assert "Runs spread unequally (Levene's test" in said
    assert "most those of epochs 1" in said


@pytest.mark.parametrize(
    ("rows", "runs", "found"),
    [
        (0.0001, 0.0, (3, 100)),  # 0.05 is 5 standard errors already: bad luck
        (0.0001, 0.0008, (8, 100)),  # more runs are what it takes
        (0.002, 0.00001, (2, 648)),  # more rows are
        (0.01, 0.01, None),
    ],
)
def test_what_would_settle_it(rows: float, runs: float, found: tuple[int, int] | None) -> None:
    assert needed(Estimate(0.05, rows, runs, 100), (2, 2), 100) == found
