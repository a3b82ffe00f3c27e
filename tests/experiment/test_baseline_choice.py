"""Which of several untuned arms is the bar: chosen on validation, and what it costs otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest

from runner.config import Suite
from runner.evaluation import score
from runner.experiment.console import Console
from runner.experiment.plan import Choosing, choosing, plan
from runner.records import (
    Example,
    Origin,
    Prediction,
    ScoredRow,
    Turn,
    read_rows,
    write_rows,
)
from runner.records.experiments import BaselineChoice
from runner.records.results import ArmKind, ArmResult, Scores
from runner.verdict import same_rows
from runner.verdict.baseline_choice import choose_baselines
from runner.verdict.recipe_claims import decide
from runner.verdict.recipes import recipes
from runner.verdict.same_rows import on_common_rows
from runner.verdict.verdict import differences, verdict
from tests.experiment.conftest import Trial

ROWS = 60
SUITE = Suite.model_validate(
    {"name": "s", "metrics": [{"kind": "exact_match"}], "primary": "exact_match"}
)
COMMON = SUITE.model_copy(update={"unanswered": "common"})


def arm(
    folder: Path,
    name: str,
    kind: ArmKind,
    test: int,
    validation: int | None = None,
    asked: Sequence[int] = range(ROWS),
    withheld_from: int = ROWS,
    suite: Suite = SUITE,
) -> ArmResult:
    """An arm that is right in the first `test` and `validation` rows."""

    def scored(split: str, right: int, numbers: Sequence[int]) -> tuple[Scores, str]:
        rows = [
            Example(str(n), (Turn("user", f"{split} {n}"),), f"answer {n}", Origin("f", n + 1))
            for n in numbers
        ]
        answers = [
            Prediction(row.id, row.target if int(row.id) < right else "no")
            if split == "test" or int(row.id) < withheld_from
            else Prediction(row.id, "", "withheld", "error", cause="blocked")
            for row in rows
        ]
        scores, kept = score(rows, answers, suite, split, 1)
        path = folder / f"{name}_{split}.jsonl"
        write_rows(path, kept)
        return scores, str(path)

    made = {"test": scored("test", test, range(ROWS))}
    if validation is not None:
        made["validation"] = scored("validation", validation, asked)
    return ArmResult(
        digest=name,
        name=name,
        kind=kind,
        status="done",
        predictions={split: path for split, (_, path) in made.items()},
        **{split: scores for split, (scores, _) in made.items()},
    )


def choose(
    arms: Sequence[ArmResult],
    on: Literal["validation", "test"] = "validation",
    suite: Suite = SUITE,
) -> BaselineChoice:
    (found,) = choose_baselines(on_common_rows(arms, suite, 1), suite, 1, on)
    return found


def concluded(
    arms: Sequence[ArmResult], on: Literal["validation", "test"] = "validation"
) -> tuple[str, str, list[str]]:
    choices = choose_baselines(arms, SUITE, 1, on)
    found = differences(arms, choices, SUITE, 1)
    said = verdict(arms, found, SUITE, choices=choices)
    return said.headline, said.winner, said.reasons


def test_a_tuned_arm_is_not_held_against_the_luckiest_baseline(tmp_path: Path) -> None:
    """The luckiest of four on these rows is 9 rows ahead of a tuned arm that is as good as the one
    that validation chose: chosen on test, tuning "hurts"; p counted four times, it is open."""
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 29, 25),
        arm(tmp_path, "1-shot", "few_shot", 20, 30),
        arm(tmp_path, "3-shot", "few_shot", 22, 25),
        arm(tmp_path, "5-shot", "few_shot", 21, 25),
        arm(tmp_path, "tuned", "tuned", 20, 40),
    ]
    chosen = choose(arms)
    assert (chosen.arm, chosen.split, chosen.held) == ("1-shot", "validation", ["tuned"])
    assert len(chosen.among) == 4
    assert "of 4 it was chosen on 60 validation rows (exact_match 0.500)" in chosen.reason
    headline, winner, reasons = concluded(arms)
    assert headline.startswith("Not decided: tuned reaches exact_match 0.333 against 0.333")
    assert "1-shot, the best untuned arm on validation (+0.000" in headline
    assert not winner
    assert "On the test rows zero-shot does better than 1-shot (0.483)" in " ".join(reasons)
    assert "against zero-shot it is -0.150" in " ".join(reasons)
    choices = choose_baselines(arms, SUITE, 1, "test")
    (found,) = differences(arms, choices, SUITE, 1)
    assert found.p < 0.05
    assert found.p_holm == pytest.approx(4 * found.p)
    headline, _, reasons = concluded(arms, "test")
    assert "for zero-shot, the best untuned arm on test" in headline
    assert "of 4 untuned arms on the test rows themselves (baseline.chosen_on: test)" in reasons[1]


def test_a_gain_over_the_chosen_one_is_no_win_where_another_is_ahead(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 45, 29),
        arm(tmp_path, "1-shot", "few_shot", 20, 30),
        arm(tmp_path, "tuned", "tuned", 40, 40),
    ]
    headline, winner, _ = concluded(arms)
    assert not winner
    assert headline.startswith("Not decided: tuned reaches exact_match 0.667 against 0.333")
    assert "zero-shot, which validation did not choose, has 0.750 on test" in headline
    arms[0] = arm(tmp_path, "zero-shot", "zero_shot", 39, 29)
    headline, winner, reasons = concluded(arms)
    assert (winner, headline[:12]) == ("tuned", "Tuning pays:")
    assert "against zero-shot it is +0.017" in " ".join(reasons)


def test_a_tie_goes_to_the_fewest_examples_and_is_said(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 10, 30),
        arm(tmp_path, "3-shot", "few_shot", 20, 30),
        arm(tmp_path, "5-shot", "few_shot", 20, 29),
    ]
    chosen = choose(arms)
    assert chosen.arm == "zero-shot"
    assert "tied with 3-shot, where the fewest worked examples count" in chosen.reason


def test_one_untuned_arm_is_not_chosen(tmp_path: Path) -> None:
    chosen = choose([arm(tmp_path, "3-shot", "few_shot", 30)])
    assert (chosen.split, chosen.reason, chosen.what) == ("", "", "the only untuned arm")


@pytest.mark.parametrize(("asked", "why"), [
    (None, "not all of them have validation rows"),
    (range(40, 60), "too few validation rows in common"),
])  # fmt: skip
def test_test_rows_choose_where_validation_cannot(
    tmp_path: Path, asked: range | None, why: str
) -> None:
    other = {} if asked is None else {"validation": 50, "asked": asked}
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 20, 30),
        arm(tmp_path, "3-shot", "few_shot", 25, **other),  # type: ignore[arg-type]
    ]
    chosen = choose(arms)
    assert (chosen.arm, chosen.split) == ("3-shot", "test")
    assert why in chosen.reason


def test_candidates_are_ranked_on_rows_that_all_of_them_have(tmp_path: Path) -> None:
    # By its own 40 rows 3-shot has 0.75; on those zero-shot is right in 35.
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 20, 35),
        arm(tmp_path, "3-shot", "few_shot", 25, 30, asked=range(40)),
    ]
    chosen = choose(arms)
    assert (chosen.arm, chosen.split) == ("zero-shot", "validation")
    assert "chosen on 40 validation rows (exact_match 0.875)" in chosen.reason
    assert "the 40 shared ones chose" in chosen.reason


def test_no_baseline_is_chosen_for_leaving_rows_out(tmp_path: Path) -> None:
    """Under `common` 3-shot's own rows would make it the best, and a tuned arm's gaps are no matter
    of the untuned ones."""
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 20, 35, suite=COMMON),
        arm(tmp_path, "3-shot", "few_shot", 25, 30, withheld_from=30, suite=COMMON),
        arm(tmp_path, "tuned", "tuned", 25, 30, withheld_from=10, suite=COMMON),
    ]
    assert arms[1].validation
    assert arms[1].validation.overall["exact_match"].value == 1.0
    chosen = choose(arms, suite=COMMON)
    assert chosen.arm == "zero-shot"
    assert "chosen on 60 validation rows (exact_match 1.000); tied with 3-shot" in chosen.reason


@pytest.mark.parametrize(("few_shot", "headline"), [
    (10, "Tuning pays: the recipe"),
    (40, "Not decided: the recipe"),
])  # fmt: skip
def test_the_recipe_that_validation_chose_is_one_test(
    tmp_path: Path, few_shot: int, headline: str
) -> None:
    """Holm's correction over eight recipes would hide its gain; an untuned arm that is better on
    test, though not on validation, does hide it."""
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 20, 30),
        arm(tmp_path, "3-shot", "few_shot", few_shot, 20),
    ]
    for number in range(8):
        for run, more in enumerate((0, 1), 1):
            right = (25 if number == 7 else 20) + more
            name = f"recipe {number}" + " again" * more
            one = arm(tmp_path, name, "tuned", right, right + 10)
            arms.append(one.model_copy(update={"recipe": f"recipe {number}", "replicate": run}))
    choices = choose_baselines(arms, SUITE, 1, "validation")
    decided = decide(arms, recipes(arms, SUITE, 1), SUITE, [], choices)
    table = next(item for item in decided.differences if item.arm == "recipe 7")
    assert table.p < 0.05 < table.p_holm
    found = differences(arms, choices, SUITE, 1, decided.recipes)
    said = verdict(arms, found, SUITE, 1, decided, choices)
    assert said.headline.startswith(headline)
    assert ("without Holm's correction over the recipes" in " ".join(said.reasons)) is (
        few_shot == 10
    )
    assert ("more than the recipe on average" in " ".join(said.reasons)) is (few_shot == 40)


ON_TEST = "baseline.chosen_on=test"
SCRIPT = {
    "0": {"right_to": 25, "validation": 10},
    "0+1": {"right_to": 20, "validation": 15},
    **{f"{epochs}.{n}": {"right_to": 40} for epochs in (1, 2) for n in (1, 2)},
}


def test_untuned_arms_answer_validation_where_it_chooses(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the run: which splits are answered, what is chosen, that a switch thrown later is
    obeyed at no cost, and that rows are read once to conclude from them."""
    read = Counter[Path]()

    def counting(path: Path) -> Iterator[ScoredRow]:
        read[path] += 1
        return read_rows(path)

    monkeypatch.setattr(same_rows, "read_rows", counting)

    def told(*overrides: str) -> Choosing | None:
        return choosing(plan(trial.sweep(SCRIPT, *overrides), Console(silent=True)))

    two = "baseline.few_shot=[1]"
    assert told(two) == Choosing(2, 100, None)
    assert told() is None
    assert told(two, ON_TEST) is None
    result = trial.run(SCRIPT, two).result
    untuned = [each for each in result.arms if each.kind != "tuned"]
    assert [sorted(each.predictions) for each in untuned] == [["test", "validation"]] * 2
    (choice,) = result.baselines
    assert [each.name for each in untuned if each.digest == choice.arm] == ["1-shot"]
    assert {each.against for each in result.differences} == {choice.arm}
    assert result.verdict
    assert "1-shot, the best untuned arm on validation" in result.verdict.headline
    assert told(two) is None
    assert set(read.values()) == {1}
    assert set(read) == {Path(file) for each in result.arms for file in each.predictions.values()}
    calls = (trial.folder / "runs" / "calls").read_text()
    switched = trial.run(SCRIPT, two, ON_TEST)
    assert switched.fresh
    (choice,) = switched.result.baselines
    assert choice.split == "test"
    assert [each.name for each in untuned if each.digest == choice.arm] == ["zero-shot"]
    assert (trial.folder / "runs" / "calls").read_text() == calls
    (alone,) = trial.run(SCRIPT, name="alone").result.baselines
    assert (alone.split, alone.among) == ("", [alone.arm])
    assert (trial.folder / "runs" / "calls").read_text() == calls
