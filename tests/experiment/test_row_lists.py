"""Which rows an arm fixes and breaks: beside the report, and by `sft compare --rows`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.cli import main
from runner.experiment.run import RunOutcome
from runner.records import read_rows
from runner.records.results import ArmResult
from runner.records.row_changes import RowChanges, RowLists
from tests.experiment.conftest import Trial

GOOD, UNTUNED = {"right_to": 35}, {"right_to": 5}
SCRIPT = {"0": UNTUNED, "1.1": GOOD, "1.2": GOOD, "2.1": {"right_to": 20}, "2.2": {"right_to": 20}}


def changes(outcome: RunOutcome, name: str) -> RowChanges:
    arms = {arm.digest: arm.name for arm in outcome.result.arms}
    return next(item for item in outcome.result.row_changes if arms[item.arm] == name)


def arm(outcome: RunOutcome, name: str) -> ArmResult:
    return next(each for each in outcome.result.arms if each.name == name)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["compare", *words]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["compare", *words]) == 2
    return capsys.readouterr().err


def test_every_tuned_arm_has_its_rows(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = trial.run(SCRIPT)
    found = changes(outcome, "epochs 1")
    assert (found.fixed, found.regressed, found.unchanged, found.left_out) == (30, 0, 20, 0)
    difference = next(d for d in outcome.result.differences if d.arm == found.arm)
    assert (found.p, found.test) == (difference.p, "exact McNemar")
    lists = RowLists.model_validate_json(Path(found.file).read_text())
    assert lists.changes == found
    texts = {
        row.id: row.target for row in read_rows(Path(arm(outcome, "epochs 1").predictions["test"]))
    }
    assert [texts[row] for row in lists.fixed] == [f"answer {n}" for n in range(5, 35)]
    assert len(lists.unchanged) == 20
    (rival,) = outcome.result.row_rivals
    assert (rival.arm, rival.against) == (found.arm, arm(outcome, "epochs 2").digest)
    assert (rival.fixed, rival.regressed, rival.unchanged) == (15, 0, 35)
    assert len(RowLists.model_validate_json(Path(rival.file).read_text()).fixed) == 15
    # The arm that people look at first has its texts beside it, the others their ids.
    table = [json.loads(line) for line in Path(found.table).read_text().splitlines()]
    assert [row["id"] for row in table] == lists.fixed
    assert table[0]["prompt"] == "test question 5"
    assert (table[0]["answer_before"], table[0]["answer_after"]) == ("no answer 5", "answer 5")
    assert changes(outcome, "epochs 2").table == ""

    said = told(capsys, "withheld", "--rows", "--limit", "2")
    assert "before withheld:zero-shot  exact_match 0.100" in said
    assert "after  withheld:epochs 1  exact_match 0.700" in said
    assert "fixed 30, regressed 0, unchanged 20 of 50 rows on test" in said
    assert f"p = {found.p:.3g} (exact McNemar), not corrected" in said
    assert "A row is fixed or regressed when its own exact_match changes at all." in said
    assert "fixed (the first 2 of 30)" in said
    assert "    before   no answer 5\n    after    answer 5\n" in said
    assert "answer 7" not in said


def test_any_two_arms_also_of_two_experiments(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    trial.run(SCRIPT)
    trial.run({**SCRIPT, "1.1": {"right_to": 30}, "1.2": {"right_to": 30}}, name="other")
    both = json.loads(told(capsys, "withheld:epochs 1", "withheld:epochs 2", "--rows", "--json"))
    assert (both["before"]["arm"], both["after"]["arm"]) == ("epochs 1", "epochs 2")
    assert [len(both[kind]) for kind in ("fixed", "regressed", "unchanged")] == [0, 15, 35]
    assert both["changes"]["regressed"] == 15
    assert both["regressed"][0]["answer_after"] == "no answer 20"
    winners = json.loads(told(capsys, "withheld", "other", "--rows", "--json"))
    assert winners["after"] == {**winners["after"], "experiment": "other", "arm": "epochs 1"}
    assert [row["target"] for row in winners["regressed"]] == [f"answer {n}" for n in range(30, 35)]
    assert winners["changes"]["p"] == pytest.approx(2 * 0.5**5)
    only = told(capsys, "withheld:epochs 2", "--rows", "--tolerance", "1", "--limit", "0")
    assert "fixed 0, regressed 0, unchanged 50" in only
    assert "changes by more than 1." in only


def test_what_cannot_be_compared_is_refused_in_words(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    trial.run(SCRIPT)
    trial.run(SCRIPT, "suite.normalize=[]", name="strict")
    test = trial.folder / "test.csv"
    test.write_text(test.read_text().replace("answer ", "another "))
    trial.run(SCRIPT, name="moved")
    said = {
        ("withheld", "strict", "--rows"): "scored by different measures: suite.normalize;",
        ("withheld:zero-shot", "--rows"): "is held against no untuned arm, so name two arms",
        ("withheld:epochs 3", "--rows"): "withheld:epochs 3: withheld has no arm 'epochs 3'; there",
        ("nothing", "--rows"): "no experiment 'nothing' was run here; there are: moved, strict, wi",
        ("withheld", "moved", "--rows"): "not tested on the same rows: they share 0 % of them",
        ("withheld", "moved", "strict", "--rows"): "one or two of EXP or EXP:ARM, the one before",
        ("withheld", "--rows", "--metric", "bleu"): "--metric: 'bleu' was not measured; measured: ",
        ("withheld", "--limit", "3"): "--limit: only with --rows",
        ("withheld", "--rows", "--html", "x.html"): "--rows and --html are two things",
    }
    for words, sentence in said.items():
        assert sentence in refused(capsys, *words), words
    for option, value in (("--limit", "-1"), ("--tolerance", "much")):
        with pytest.raises(SystemExit):
            main(["compare", "withheld", "--rows", f"{option}={value}"])
        assert f"argument {option}: '{value}' is no number" in capsys.readouterr().err


def test_of_replicates_it_is_the_one_to_ship(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    lucky = {**SCRIPT, "1.1@2": {"right_to": 40}, "1.2@2": {"right_to": 40}}
    seeds: list[str] = []
    outcome = trial.run(lucky, "replicates=2", "sweep.grid={}", "tuning.epochs=1")
    seeds = [each.shipped for each in outcome.result.recipes]
    assert [item.arm for item in outcome.result.row_changes] == seeds
    said = told(capsys, "withheld", "--rows", "--limit", "0")
    assert f"(replicate {outcome.result.arm(seeds[0]).replicate} of 2, the one to ship)" in said


@pytest.mark.parametrize("unanswered", ["wrong", "common"])
def test_rows_without_an_answer_follow_the_suite(trial: Trial, unanswered: str) -> None:
    script: dict[str, Any] = {**SCRIPT, "0": {"right_to": 45}}
    script |= {"1.1": {"right_to": 45, "withheld_from": 40}, "1.2": {"right_to": 1}}
    script |= {"2.1": {"right_to": 45, "withheld_from": 30}, "2.2": {"right_to": 1}}
    outcome = trial.run(script, f"suite.unanswered={unanswered}", "suite.max_unanswered=null")
    found = changes(outcome, "epochs 1")
    difference = next(d for d in outcome.result.differences if d.arm == found.arm)
    if unanswered == "wrong":
        assert (found.fixed, found.regressed, found.unchanged, found.left_out) == (0, 5, 45, 0)
    else:  # what the other arm leaves out counts for nobody, as in the differences
        assert (found.fixed, found.regressed, found.unchanged) == (0, 0, 30)
    assert (found.rows, found.p) == (difference.n, difference.p)


def test_rows_of_one_group_count_together(trial: Trial) -> None:
    import csv

    for split in ("train", "validation", "test"):
        with (trial.folder / f"{split}.csv").open("w", newline="") as out:
            rows = [
                (f"{split} question {n}", f"answer {n}", f"{split} {n // 5}") for n in range(50)
            ]
            csv.writer(out).writerows([("text", "label", "page"), *rows])
    outcome = trial.run(SCRIPT, "source.group=page")
    found = changes(outcome, "epochs 1")
    difference = next(d for d in outcome.result.differences if d.arm == found.arm)
    assert (found.groups, found.test) == (10, "sign flips of whole groups")
    assert (found.p, difference.groups) == (difference.p, 10)
    assert found.p == pytest.approx(2 / 2**6)  # six whole groups are fixed
