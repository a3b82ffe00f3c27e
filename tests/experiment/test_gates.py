"""`suite.not_worse`: what is not shown to be as good as before does not win; exit code 4."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from runner.base.errors import ConfigError
from runner.experiment.console import Console
from runner.experiment.plan import plan
from runner.experiment.power import detectable
from runner.experiment.run import RunOutcome
from runner.records import EDITS, SHARE
from runner.records.gates import GateResult
from runner.report.terminal import plain_leaderboard
from runner.statistics.non_inferiority import score_limit, score_test
from runner.statistics.recipes import Estimate, RunSpread, difference_estimate, spread_of
from runner.verdict.gates import exit_code, gate_words, non_inferiority
from tests.experiment.conftest import Trial

GOOD, UNTUNED = {"right_to": 60}, {"right_to": 20}
SCRIPT: dict[str, Any] = {"0": UNTUNED, "1.1": GOOD, "1.2": GOOD}
ONE = ("sweep.grid={}", "tuning.epochs=1")
ERRORS = "suite.metrics=[{kind: exact_match}, {kind: plugin, name: errors}]"


@pytest.fixture
def trial(plugged: Any) -> Trial:
    return Trial(plugged, rows=100)


def both(says: dict[str, int], seed: str = "") -> dict[str, Any]:
    """What both checkpoints of the arm do."""
    return {f"1.{checkpoint}{seed}": says for checkpoint in (1, 2)}


def gate(outcome: RunOutcome) -> GateResult:
    (found,) = outcome.result.gates
    return found


def reasons(outcome: RunOutcome) -> str:
    assert outcome.result.verdict
    return " ".join([outcome.result.verdict.headline, *outcome.result.verdict.reasons])


def test_the_machine_is_one_sided_and_knows_the_direction() -> None:
    """The t-test of the difference and the margin, by hand; with no spread it is certain."""
    found = Estimate(value=-0.01, rows=0.0001, runs=0.0, degrees=1e9)
    assert non_inferiority(found, SHARE, 0.03) == pytest.approx(0.02275, abs=1e-4)  # 2 errors
    assert non_inferiority(found, SHARE, 0.01) == pytest.approx(0.5)
    more = Estimate(value=2.0, rows=1.0, runs=0.0, degrees=1e9)
    assert non_inferiority(more, EDITS, 4.0) == pytest.approx(0.02275, abs=1e-4)
    # Rows that all agree show no equality where there are few of them.
    same = np.ones((1, 30))
    few = difference_estimate(same, same, RunSpread(), untuned=True, width=1.0)
    assert non_inferiority(few, SHARE, 0.05) > 0.05
    many = np.ones((1, 300))
    enough = difference_estimate(many, many, RunSpread(), untuned=True, width=1.0)
    assert non_inferiority(enough, SHARE, 0.05) < 0.05


def test_a_wrong_null_is_rejected_as_often_as_is_said() -> None:
    """Of models that are worse by just the margin 5 % pass: rows alone, and rows and runs."""
    rng, passed, trials = np.random.default_rng(1), np.zeros(2), 1500
    for _ in range(trials):
        base = rng.normal(0, 1, 80)
        rows = base - 0.2 + rng.normal(0, 0.5, 80)
        alone = difference_estimate(rows[None], base[None], RunSpread(), untuned=True)
        passed[0] += non_inferiority(alone, SHARE, 0.2) < 0.05
        runs = base - 0.2 + rng.normal(0, 0.3, (3, 1)) + rng.normal(0, 0.5, (3, 80))
        both = difference_estimate(runs, base[None], spread_of([runs]), untuned=True)
        passed[1] += non_inferiority(both, SHARE, 0.2) < 0.05
    assert passed / trials == pytest.approx(0.05, abs=0.02)


def test_the_score_test_is_tangos() -> None:
    """His example of 44 pairs of contact lenses, one of which is worse: Z = 1.709, p = 0.044."""
    assert score_test(0, 1, 44, 0.1) == pytest.approx(0.0437, abs=2e-4)
    assert score_test(5, 5, 100, 0.0) == pytest.approx(0.5)  # then it is McNemar's statistic
    assert score_test(3, 9, 100, 0.0) == pytest.approx(1 - 0.0416, abs=1e-3)
    for counts in ((0, 0, 30), (4, 1, 30), (0, 1, 44), (30, 0, 30), (0, 30, 30)):
        limit = score_limit(*counts, 0.95)
        assert -1 <= limit <= (counts[0] - counts[1]) / counts[2]
        if -1 < limit < 1:
            assert score_test(*counts, -limit) == pytest.approx(0.05, abs=1e-3)


def test_near_a_perfect_score_the_level_holds() -> None:
    """Where few rows differ the t-test lets through almost twice as many as it says."""
    rng, passed, trials = np.random.default_rng(2), 0, 3000
    for _ in range(trials):
        losses, gains, _ = rng.multinomial(200, [0.025, 0.005, 0.97])
        passed += score_test(gains, losses, 200, 0.02) < 0.05
    assert passed / trials < 0.06


def test_a_gate_that_holds_changes_nothing_but_says_so(trial: Trial) -> None:
    outcome = trial.run(SCRIPT, *ONE, "suite.not_worse=[{margin: 0.05}]")
    found = gate(outcome)
    assert found.passed
    assert (found.ours, found.theirs, found.rows, found.runs) == (0.6, 0.2, 100, 0)
    assert found.method == "score test (Tango)"
    assert found.gain == pytest.approx(0.4)
    assert -0.05 < found.least < found.gain
    assert outcome.result.verdict
    assert outcome.result.verdict.winner
    assert "epochs 1 is not worse than zero-shot in exact_match by 0.05 (+0.400" not in reasons(
        outcome
    )
    assert "is not worse than zero-shot in exact_match by 0.05 (+0.400, at worst +0.3" in reasons(
        outcome
    )
    assert exit_code(outcome.result) == 0
    assert "not worse than zero-shot" in outcome.report.read_text()


def test_better_in_one_score_and_worse_in_another_is_no_winner(trial: Trial) -> None:
    """Right more often, but where it withholds an answer it has three errors instead of two."""
    script = {**SCRIPT, **both({"right_to": 24, "withheld_from": 40})}
    asked = (*ONE, ERRORS, "suite.max_unanswered=null")
    gates = "suite.not_worse=[{margin: 0.05}, {score: errors, margin: 0.2}]"
    outcome = trial.run({**script, "0": {"right_to": 10}}, *asked, gates)
    first, second = outcome.result.gates
    assert (first.passed, second.passed) == (True, False)
    assert second.gain == pytest.approx(0.28 - 0.6)
    assert [first.method, second.method] == ["score test (Tango)", "t, rows"]
    assert second.least < second.gain
    assert outcome.result.verdict
    assert outcome.result.verdict.winner == ""
    headline = outcome.result.verdict.headline
    assert headline.startswith("No winner: ")
    assert "may be worse than zero-shot in errors by 0.2 or more (-0.3" in headline
    assert outcome.result.verdict.reasons[0].startswith("Without that gate: Tuning pays:")
    assert exit_code(outcome.result) == 4
    again = trial.run({**script, "0": {"right_to": 10}}, *asked, gates)
    assert not again.fresh
    assert exit_code(again.result) == 4
    page = outcome.report.read_text()
    assert "refused" in page
    assert headline[:60] in page
    assert "(winner)" not in plain_leaderboard(outcome.result)


def test_few_rows_show_nothing(plugged: Any) -> None:
    small = Trial(plugged, rows=20)
    script = {"0": {"right_to": 10}, "1.1": {"right_to": 10}, "1.2": {"right_to": 10}}
    outcome = small.run(script, *ONE, "suite.not_worse=[{margin: 0.05}]")
    assert not gate(outcome).passed
    assert exit_code(outcome.result) == 4
    # There was no winner to take away; the reason stands all the same.
    assert "No winner" not in reasons(outcome)
    assert "may be worse than zero-shot in exact_match by 0.05 or more" in reasons(outcome)


def test_replicates_bring_the_runs_in(trial: Trial) -> None:
    runs = {"@17": 60, "@18": 24, "@19": 42}
    scores = [both({"right_to": right}, seed) for seed, right in runs.items()]
    script = {"0": {"right_to": 30}, **scores[0], **scores[1], **scores[2]}
    one = trial.run(script, *ONE, "suite.not_worse=[{margin: 0.1}]", name="one")
    assert gate(one).passed
    three = trial.run(script, *ONE, "suite.not_worse=[{margin: 0.1}]", "replicates=3", name="three")
    found = gate(three)
    assert (found.runs, found.ours) == (3, pytest.approx(0.42))
    assert found.method == "t, rows and runs"
    assert not found.passed
    assert found.least < -0.1 < found.gain
    assert "over 100 test rows and 3 replicates" in reasons(three)
    assert exit_code(three.result) == 4


def test_an_arm_that_the_test_rows_chose_has_a_harder_gate(trial: Trial) -> None:
    script = {**SCRIPT, "0": GOOD, "2.1": {"right_to": 59}, "2.2": {"right_to": 59}}
    asked = ("source.validation=null", "prepare.split.validation=0")
    outcome = trial.run(script, *asked, "suite.not_worse=[{margin: 0.05}]")
    found = gate(outcome)
    assert (found.looks, found.ours) == (2, 0.6)
    one = trial.run(script, "suite.not_worse=[{margin: 0.05}]", name="validated")
    assert gate(one).looks == 1
    assert found.p == pytest.approx(2 * gate(one).p)
    assert found.least < gate(one).least
    assert "100 test rows that chose it of 2 arms, as often as which p counts" in reasons(outcome)


def test_a_successor_is_held_against_the_winner_before_it(trial: Trial) -> None:
    trial.run(SCRIPT, *ONE, name="production")
    close = {**SCRIPT, **both({"right_to": 58})}
    asked = (*ONE, "suite.not_worse=[{than: production, margin: 0.1}]")
    next_one = trial.run(close, *asked, name="next")
    found = gate(next_one)
    assert found.passed
    assert found.than.startswith("production: ")
    assert (found.ours, found.theirs) == (0.58, 0.6)
    poor = {**SCRIPT, **both({"right_to": 45})}
    worse = trial.run(poor, *asked, name="worse")
    assert "may be worse than production: " in reasons(worse)
    assert exit_code(worse.result) == 4
    test = trial.folder / "test.csv"
    test.write_text(test.read_text().replace("answer ", "another "))
    moved = trial.run(SCRIPT, *asked, name="moved")
    assert not gate(moved).passed
    assert math.isnan(gate(moved).p)
    assert "it was tested on other rows: 0 of 100 rows are the same." in reasons(moved)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("[{margin: 0}]", "it has to be greater than 0"),
        ("[{margin: 0.1, score: exact}]", "did you mean exact_match?"),
        ("[{margin: 0.1, than: nothing}]", "suite.not_worse[0].than: no experiment 'nothing' with"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_anything_runs(
    trial: Trial, asked: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        trial.sweep(SCRIPT, f"suite.not_worse={asked}")
    assert sentence in str(refused.value)
    assert "not_worse" in str(refused.value)


def test_a_gate_against_a_baseline_needs_one(trial: Trial) -> None:
    none = ("baseline=none", "baseline.few_shot=[]", "baseline.skip_reason=measured elsewhere")
    with pytest.raises(ConfigError, match=r"than: is baseline, and there is no untuned arm"):
        trial.sweep(SCRIPT, *none, "suite.not_worse=[{margin: 0.1}]")


def test_the_plan_warns_of_a_margin_that_nothing_can_meet(trial: Trial) -> None:
    def told(margin: float) -> str:
        sweep = trial.sweep(SCRIPT, *ONE, f"suite.not_worse=[{{margin: {margin}}}]")
        found = detectable(sweep, plan(sweep, Console(silent=True)))
        assert found
        return " ".join(found.warnings)

    assert "suite.not_worse[0].margin is 0.01: on 100 test rows" in told(0.01)
    assert "not_worse" not in told(0.5)


def test_words_for_a_gate_that_could_not_be_tested() -> None:
    found = GateResult(score="f1", margin=0.1, than="x", arm="a", passed=False, why="no rows")
    assert gate_words(found) == (
        "a is not shown to be within 0.1 of x in f1, which suite.not_worse asks for: no rows."
    )
