"""Whole experiments in which some answers do not come: who wins, who does not, what is said."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from runner.experiment.run import RunOutcome
from runner.records.results import ArmResult
from runner.report.scoreboard import board
from runner.report.terminal import plain_leaderboard
from runner.tracking.facts import arm_measures
from runner.tracking.views import TAG, view_tags
from runner.verdict.gates import exit_code
from tests.experiment.conftest import Trial

ROWS = 50
GOOD = {"right_to": 35}
"""Right in 70 %."""
SILENT = {"right_to": 27, "withheld_from": 30}
"""Right in 54 %, which is 90 % of the rows that it does not leave out."""
UNTUNED = {"right_to": 5}
SCRIPT = {"0": UNTUNED, "1.1": GOOD, "1.2": GOOD, "2.1": SILENT, "2.2": SILENT}


def arm(outcome: RunOutcome, name: str) -> ArmResult:
    return next(each for each in outcome.result.arms if each.name == name)


def said(outcome: RunOutcome) -> tuple[str, str, list[str]]:
    """The winner's name, the headline and the reasons."""
    found = outcome.result.verdict
    assert found
    winner = outcome.result.arm(found.winner).name if found.winner else ""
    return winner, found.headline, found.reasons


def test_an_arm_that_leaves_the_hard_rows_out_does_not_win_by_it(trial: Trial) -> None:
    outcome = trial.run(SCRIPT)
    winner, headline, _ = said(outcome)
    assert winner == "epochs 1"
    assert headline.startswith("Tuning pays: epochs 1 reaches exact_match 0.700 against 0.100")
    test = arm(outcome, "epochs 2").test
    assert test
    assert (test.overall["exact_match"].value, test.overall["exact_match"].n) == (0.54, ROWS)
    assert test.unanswered == {"blocked": 20}
    by_name = {outcome.result.arm(d.arm).name: d for d in outcome.result.differences}
    assert {name: d.n for name, d in by_name.items()} == {"epochs 1": ROWS, "epochs 2": ROWS}
    assert by_name["epochs 2"].value == pytest.approx(0.44)
    page = outcome.report.read_text()
    assert "40 % unanswered: blocked 40 %" in page
    shown = plain_leaderboard(outcome.result)
    assert "epochs 2 left 40 % unanswered: blocked 40 %\n" in shown
    found = {m.key: m.value for m in arm_measures(outcome.result, arm(outcome, "epochs 2"))}
    assert (found["test/unanswered"], found["test/unanswered_blocked"]) == (0.4, 0.4)


def test_what_is_set_of_a_plugin_is_part_of_every_key(trial: Trial) -> None:
    """Also where the plug-in does not say so: other options are another model."""
    zero_shot, tuned = (
        [each.name for each in trial.run(SCRIPT).result.arms].index(name)
        for name in ("zero-shot", "epochs 1")
    )

    def scores(script: dict[str, Any]) -> tuple[float, float]:
        arms = trial.run(script).result.arms
        tests = [arms[place].test for place in (zero_shot, tuned)]
        first, second = (test.overall["exact_match"].value for test in tests if test)
        return first, second

    assert scores(SCRIPT) == (0.1, 0.7)
    better = {"right_to": 45}
    assert scores({**SCRIPT, "0": {"right_to": 10}, "1.1": better, "1.2": better}) == (0.2, 0.9)
    assert scores(SCRIPT) == (0.1, 0.7)


def test_no_arm_wins_with_too_few_answers(trial: Trial) -> None:
    script = {**SCRIPT, "1.1": UNTUNED, "1.2": UNTUNED}
    winner, headline, reasons = said(trial.run(script))
    assert winner == ""
    assert headline == (
        "No winner: epochs 2 left 40 % unanswered: blocked 40 % "
        "(suite.max_unanswered allows 10 % of the test rows)."
    )
    assert reasons[0].startswith("Without that limit: Tuning pays: epochs 2")
    winner, headline, _ = said(trial.run(script, "suite.max_unanswered=0.5"))
    assert winner == "epochs 2"
    assert headline.endswith("with 40 % unanswered: blocked 40 %.")


def test_beating_a_blocked_baseline_proves_nothing(trial: Trial) -> None:
    script = {**SCRIPT, "0": {"right_to": 5, "withheld_from": 20}}
    winner, headline, _ = said(trial.run(script))
    assert winner == ""
    assert headline.startswith("No winner: zero-shot left 60 % unanswered: blocked 60 %")


def test_common_rows_are_the_same_for_all(trial: Trial) -> None:
    common = ("suite.unanswered=common", "suite.max_unanswered=0.5")
    outcome = trial.run(SCRIPT, *common)
    ns = {a.name: a.test.overall["exact_match"].n for a in outcome.result.arms if a.test}
    assert ns == {"zero-shot": 30, "epochs 1": 30, "epochs 2": 30}
    assert {d.n for d in outcome.result.differences} == {30}
    # On the rows that it answers, the other arm is right in all 30 of 30, not in 27.
    assert said(outcome)[0] == "epochs 1"
    refused = trial.run(SCRIPT, common[0])
    assert said(refused)[1].startswith("No winner: epochs 2 left 40 % unanswered")


@pytest.mark.parametrize("unanswered", ["wrong", "common"])
def test_a_checkpoint_is_not_picked_for_what_it_leaves_out(trial: Trial, unanswered: str) -> None:
    script = {**SCRIPT, "1.1": SILENT, "2.1": GOOD, "2.2": GOOD}
    outcome = trial.run(script, f"suite.unanswered={unanswered}")
    found = arm(outcome, "epochs 1")
    assert found.best == "2"
    assert {c.validation.overall["exact_match"].n for c in found.checkpoints} == (
        {ROWS} if unanswered == "wrong" else {30}
    )


def test_what_the_service_owes_is_asked_again(trial: Trial) -> None:
    home = trial.folder / "runs"
    home.mkdir()
    (home / "busy").write_text("7 8")
    outcome = trial.run(SCRIPT)
    assert {a.status for a in outcome.result.arms} == {"incomplete"}
    assert exit_code(outcome.result) == 3
    assert "2 of 50 answers did not come" in arm(outcome, "epochs 1").error
    assert "503: busy" in arm(outcome, "epochs 1").error
    winner, headline, reasons = said(outcome)
    assert (winner, headline) == ("", "No arm finished, so there is no verdict.")
    assert "3 of 3 arms are incomplete" in reasons[0]
    before = len((home / "calls").read_text().split())
    (home / "busy").unlink()
    again = trial.run(SCRIPT)
    assert {a.status for a in again.result.arms} == {"done"}
    assert said(again)[0] == "epochs 1"
    # Each tuned arm: two checkpoints on validation, of which one had been asked; then test. A row
    # that was withheld is asked again.
    asked = (home / "calls").read_text().split()[before:]
    assert len(asked) == 2 + (2 + 50 + 50) + (2 + 20 + 50 + 50)


def test_a_metric_of_which_less_is_better_picks_the_lower_arm(trial: Trial) -> None:
    script = {
        **SCRIPT,
        "1.1": {"right_to": 20},
        "1.2": {"right_to": 40},
        # Without a word about it, two thirds of these rows would have no value and be left out.
        "2.1": {"right_to": 16, "withheld_from": 16},
        "2.2": {"right_to": 30},
    }
    metrics = "suite.metrics=[{kind: exact_match}, {kind: plugin, name: errors}]"
    outcome = trial.run(script, metrics, "suite.primary=errors")
    winner, headline, reasons = said(outcome)
    assert winner == "epochs 1"
    assert headline.startswith("Tuning pays: epochs 1 reaches errors 0.4 against 1.8 for zero-shot")
    assert "Lower errors is better." in " ".join(reasons)
    assert [arm(outcome, name).best for name in ("epochs 1", "epochs 2")] == ["2", "2"]
    worst = arm(outcome, "epochs 2").checkpoints[0].validation.overall["errors"]
    assert (worst.n, worst.value) == (ROWS, pytest.approx(3 * 34 / 50))
    assert "errors on the test split (lower is better)" in outcome.report.read_text()
    order = [line.arm.name for line in board(outcome.result)]
    assert order == ["epochs 1", "epochs 2", "zero-shot"]
    assert "errors (lower is better) with 95 % intervals" in plain_leaderboard(outcome.result)
    views = {
        name.removeprefix(TAG): json.loads(text)["state"]
        for name, text in view_tags(outcome.result, "").items()
    }
    state = json.loads(zlib.decompress(base64.b64decode(views["leaderboard"].split(";")[1])))
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`test/errors`", True)
