"""Knobs that are `recommended`, from the YAML to the result: the arms they make, what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import BudgetError, ConfigError, DataError
from runner.cli import main
from runner.experiment.advised import advice_lines, by_advice
from runner.experiment.console import Console
from runner.experiment.run import Sweep, assemble, run
from runner.report import write_report
from runner.tracking.arm_run import arm_params
from tests.advice.shipped import CONF
from tests.compose.composing import compose_text
from tests.experiment.conftest import YAML, Trial
from tests.money.conftest import PAID, Shop, shop

__all__ = ["shop"]

GRID = "sweep:\n  grid:\n    tuning.epochs: [1, 2]\n"
RIGHT = {name: {"right_to": 10} for name in ("0", "1.1", "1.2", "2.1", "2.2", "3.1", "3.2")}


def sweep_of(trial: Trial, grid: str, *overrides: str, name: str = "advised") -> Sweep:
    """The rule for the model of these trials says 2 epochs, multiplier 1, adapter 8."""
    text = YAML.replace("OPTIONS", json.dumps(RIGHT)).replace("withheld", name).replace(GRID, grid)
    composition = compose_text(trial.folder, text, *overrides, file=f"{name}.yaml")
    return assemble(composition.points, composition.file, "sft run", Console())


def names(sweep: Sweep) -> list[str]:
    return [arm.name for arm in sweep.arms if arm.kind == "tuned"]


def tuning(sweep: Sweep) -> list[dict[str, Any]]:
    knobs = ("epochs", "learning_rate_multiplier", "adapter_size")
    arms = [arm.config["tuning"] for arm in sweep.arms if arm.kind == "tuned"]
    return [{knob: config[knob] for knob in knobs} for config in arms]


def test_recommended_is_one_value_of_a_sweep(trial: Trial) -> None:
    grid = "sweep:\n  grid:\n    tuning.epochs: [1, recommended, 3]\n"
    grid += "tuning: {learning_rate_multiplier: recommended, adapter_size: recommended}\n"
    sweep = sweep_of(trial, grid)
    assert names(sweep) == ["epochs 1", "epochs 2", "epochs 3"]
    same = {"learning_rate_multiplier": 1.0, "adapter_size": 8}
    assert tuning(sweep) == [{"epochs": epochs, **same} for epochs in (1, 2, 3)]
    (shared,) = by_advice(sweep.arms)
    some = "learning_rate_multiplier 1, adapter_size 8"
    (data,) = shared.on
    assert data.taken == [("epochs 1, epochs 3", some), ("epochs 2", f"epochs 2, {some}")]


@pytest.mark.parametrize(
    "words", [["-m", "tuning.epochs=1,recommended"], ["sweep.grid={tuning.epochs:[1,recommended]}"]]
)
def test_recommended_is_swept_on_the_command_line(trial: Trial, words: list[str]) -> None:
    assert names(sweep_of(trial, "", *words)) == ["epochs 1", "epochs 2"]


def test_what_is_recommended_and_listed_is_one_arm(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = "sweep:\n  grid:\n    tuning.epochs: [recommended, 1, 2]\n"
    sweep = sweep_of(trial, grid)
    assert names(sweep) == ["epochs 2", "epochs 1"]
    assert len(sweep.points) == 3  # an optimising sweeper gets a score for each
    assert len(set(sweep.points)) == 2
    said = "tuning.epochs: recommended is 2, which the sweep has as well: one arm, 'epochs 2'"
    assert said in capsys.readouterr().err
    grid = "sweep:\n  grid:\n    tuning: [default, auto, quick]\ntuning: {max_epochs: 20}\n"
    sweep_of(trial, grid, "advice.rules.tiny_random.epochs=3")
    assert "'auto' comes to the same numbers as 'tuning default': one arm" in (
        capsys.readouterr().err
    )


def test_what_is_written_twice_is_still_refused(trial: Trial) -> None:
    grid = "sweep:\n  grid:\n    tuning.max_epochs: [5, 6]\n    tuning.epochs: [2, 2]\n"
    with pytest.raises(ConfigError, match="stands there twice"):
        sweep_of(trial, grid)


def test_numbers_by_rule_are_the_arm_that_has_them_by_hand(trial: Trial) -> None:
    by_hand = sweep_of(trial, "tuning: {epochs: 2}\n", name="same")
    first = run(by_hand, Console(silent=True)).result
    by_rule = sweep_of(trial, "", "tuning=auto", name="same")
    assert by_rule.result.digest == first.digest
    assert [arm.digest for arm in by_rule.arms] == [arm.digest for arm in by_hand.arms]
    assert not run(by_rule, Console(silent=True)).fresh
    other = run(sweep_of(trial, "", "tuning=auto", name="other"), Console(silent=True)).result
    assert trial.jobs == 1
    assert other.arms[1].reused == ["prepare", "render", "tune", "predict", "score"]


def test_the_rule_stands_in_result_params_and_report(trial: Trial, tmp_path: Path) -> None:
    sweep = sweep_of(trial, "", "tuning=auto", "tuning.adapter_size=4")
    result = run(sweep, Console(silent=True)).result
    _, arm = result.arms
    assert "advice" not in arm.config
    assert arm.config["tuning"]["epochs"] == 2
    assert arm.advised
    assert arm.advised.taken == {"epochs": 2, "learning_rate_multiplier": 1.0}
    assert arm.advised.recommendation.date == "2026-11-22"
    assert arm.advised.profile.rows == 50
    assert arm.advised.profile.task == "answering"
    params = arm_params(arm)
    assert params["advice_rule"] == "tiny_random"
    assert (params["epochs"], params["adapter_size"]) == ("2", "4")
    page = write_page(result, tmp_path)
    for text in ("Recommended hyperparameters", "tiny_random", "own measurements", "2026-11-22"):
        assert text in page
    assert "None of 0 earlier experiments in the ledger was on like data." in page
    # The ledger gives it back as it was.
    known = sweep.ledger.experiment(result.digest)
    assert known
    assert known.arms[1].advised == arm.advised


def write_page(result: Any, folder: Path) -> str:
    write_report(result, folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def test_without_a_recommendation_the_report_has_no_word_of_it(trial: Trial) -> None:
    result = run(sweep_of(trial, "tuning: {epochs: 1}\n"), Console(silent=True)).result
    assert "advice_rule" not in arm_params(result.arms[1])
    assert "Recommended hyperparameters" not in write_page(result, trial.folder)


def test_what_earlier_experiments_found_is_shown_beside_the_rule(trial: Trial) -> None:
    """The scripted backend says that it trained on 8 of the 50 rows."""
    run(sweep_of(trial, GRID, name="before"), Console(silent=True))
    asked = ("tuning=auto", "tuning.adapter_size=4")
    strict = list(advice_lines(sweep_of(trial, "", *asked, name="after").arms))
    assert "    on like data: none among 1 earlier experiment in the ledger" in strict
    sweep = sweep_of(trial, "", *asked, "advice.alike=7", name="after")
    lines = list(advice_lines(sweep.arms))
    (line,) = [line for line in lines if "on like data" in line]
    assert "before (" in line
    assert "8 rows, tiny-random: epochs 1, learning_rate_multiplier 1, adapter_size 8" in line
    assert line.endswith("exact_match 0.2 on test, best of 2 tuned arms")
    result = run(sweep, Console(silent=True)).result
    assert "exact_match 0.2 on test" in write_page(result, trial.folder)
    # What the experiment itself found is not an earlier one.
    again = sweep_of(trial, "", *asked, "advice.alike=7", name="after")
    assert list(advice_lines(again.arms)) == lines


def test_the_plan_says_what_fired_and_why(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    sweep_of(trial, "", "tuning=auto")
    file = str(trial.folder / "advised.yaml")
    capsys.readouterr()
    assert main(["plan", file, "tuning=auto"]) == 0
    shown = capsys.readouterr().out
    for line in (
        "\nrecommended by the rule tiny_random: epochs 2, learning_rate_multiplier 1, "
        "adapter_size 8 (at most 10 epochs)\n  it fires for tiny-random with text, any number of "
        "rows\n  why: a random model is for dry runs",
        "  source: own measurements on help-desk tickets, 2 CPU cores; 2026-11-22\n"
        "  50 training rows, ",
        "text, task answering\n    tuned: epochs 2, learning_rate_multiplier 1, adapter_size 8\n"
        "    on like data: none among 0 earlier experiments in the ledger\n",
    ):
        assert line in shown
    assert main(["plan", file, "tuning=auto", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (advice,) = told["advice"]
    assert advice["recommendation"]["rule"] == "tiny_random"
    assert list(advice["on"][0]["arms"]) == ["tuned"]
    one, three = (
        json_tokens(capsys, file, f"tuning.epochs={epochs}") for epochs in ("1", "recommended")
    )
    assert three == 2 * one


def json_tokens(capsys: pytest.CaptureFixture[str], file: str, *words: str) -> int:
    """Training tokens of the tuned arm as planned."""
    assert main(["plan", file, *words, "--json"]) == 0
    tokens: int = json.loads(capsys.readouterr().out)["arms"][-1]["tokens_high"]
    return tokens


def test_numbers_that_differ_between_arms_stand_in_their_names(trial: Trial) -> None:
    rules = """\
advice:
  rules:
    tiny_random: {data: [{rows: {below: 20}}], epochs: 3}
    tiny_more: {models: [tiny-random], data: [{rows: {at_least: 20}}], epochs: 1,
      learning_rate_multiplier: 1, adapter_size: 8, why: w, source: s, date: 2026-11-27}
sweep:
  grid:
    prepare.select.size: [10, 40]
"""
    sweep = sweep_of(trial, rules, "tuning=auto")
    assert names(sweep) == ["10 rows · epochs 3", "40 rows · epochs 1"]
    assert [each.recommendation.rule for each in by_advice(sweep.arms)] == [
        "tiny_random",
        "tiny_more",
    ]


def test_max_epochs_caps_what_is_recommended(trial: Trial) -> None:
    sweep = sweep_of(trial, "", "tuning=auto", "tuning.max_epochs=1")
    assert tuning(sweep)[0]["epochs"] == 1
    assert any(
        line.endswith("adapter_size 8; epochs 1: tuning.max_epochs allows no more")
        for line in advice_lines(sweep.arms)
    )


def test_epochs_left_to_the_service_are_capped_by_the_rule(trial: Trial) -> None:
    rule = ["advice.rules.tiny_random.epochs=null", "advice.rules.tiny_random.most_epochs=6"]
    sweep = sweep_of(trial, "", "tuning=auto", *rule)
    config = sweep.arms[-1].config["tuning"]
    assert (config["epochs"], config["max_epochs"]) == (None, 6)


def test_a_model_without_a_rule_is_refused(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="no rule of advice is for mine; there are rules for: "):
        sweep_of(trial, "", "tuning=auto", "model.name=mine")
    assert main(["plan", str(trial.folder / "advised.yaml"), "tuning=auto", "model.name=m"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_arm_whose_data_fails_leaves_the_others_alone(trial: Trial) -> None:
    """With a context of one token no row is left."""
    grid = "sweep:\n  grid:\n    model.context_tokens: [4096, 1]\n"
    result = run(sweep_of(trial, grid, "tuning=auto"), Console(silent=True)).result
    tuned = [arm for arm in result.arms if arm.kind == "tuned"]
    assert [arm.status for arm in tuned] == ["done", "failed"]
    assert "no training row is left" in tuned[1].error
    with pytest.raises(DataError, match="no training row is left"):
        sweep_of(trial, "", "tuning=auto", "model.context_tokens=1")


def test_replicates_have_their_recipes_numbers(trial: Trial) -> None:
    sweep = sweep_of(trial, "", "tuning=auto", "replicates=2")
    assert names(sweep) == ["tuned", "tuned · replicate 2"]
    assert [config["epochs"] for config in tuning(sweep)] == [2, 2]
    assert list(by_advice(sweep.arms)[0].on[0].arms) == ["tuned"]


def test_a_rule_of_ones_own_is_a_file_as_the_default_shows_it(trial: Trial) -> None:
    """The comment in conf/advice/default.yaml, taken as it stands."""
    text = (CONF / "advice" / "default.yaml").read_text(encoding="utf-8")
    shown = [line[3:] for line in text.splitlines() if line.startswith("#   ")]
    (trial.folder / "conf" / "advice").mkdir(parents=True)
    (trial.folder / "conf" / "advice" / "mine.yaml").write_text("\n".join(shown))
    sweep = sweep_of(trial, "", "tuning=auto", "advice=mine", "model.name=qwen3-0.6b")
    same = {"epochs": 5, "learning_rate_multiplier": 1.0, "adapter_size": 16}
    assert tuning(sweep) == [same]
    assert by_advice(sweep.arms)[0].recommendation.rule == "qwen_small"


# --- data that has to be paid for -----------------------------------------------------------

PARAPHRASED = ("tuning=auto", "prepare/augment=paraphrase", "~sweep")


def test_data_that_is_paid_for_is_made_only_where_that_is_allowed(shop: Shop) -> None:
    text = shop.yaml.read_text()
    composed = compose_text(shop.folder, text, *PAID, *PARAPHRASED, file="tiny.yaml")

    def assembled(*, pay: bool) -> Sweep:
        return assemble(composed.points, composed.file, "", Console(silent=True), pay=pay)

    with pytest.raises(BudgetError, match="preparing the data takes"):
        assembled(pay=False)
    assert shop.bought()["calls"] == []
    sweep = assembled(pay=True)
    calls = len(shop.bought()["calls"])
    assert calls > 0
    assembled(pay=False)
    assert len(shop.bought()["calls"]) == calls
    # It is booked on the arm that there is now, in the name of its experiment.
    (paid,) = {(item.experiment, item.arm) for item in sweep.ledger.spendings()}
    (arm,) = [arm for arm in sweep.arms if arm.kind == "tuned"]
    assert paid == (sweep.result.digest, arm.digest)
