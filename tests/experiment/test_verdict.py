"""Who wins, in words: tuned arms against the strongest untuned one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.config import Suite
from runner.evaluation import score
from runner.records import Example, Origin, Prediction, Turn, write_jsonl, write_rows
from runner.records.results import ArmKind, ArmResult, Difference
from runner.verdict.baseline_choice import choose_baselines
from runner.verdict.ranking import strongest
from runner.verdict.verdict import differences, verdict

ROWS = 60


def suite(metric: str = "exact_match") -> Suite:
    kind = {"exact_match": "exact_match", "ter": "sacrebleu"}[metric]
    scores = {"scores": ["ter"]} if metric == "ter" else {}
    return Suite.model_validate(
        {"name": "s", "metrics": [{"kind": kind, **scores}], "primary": metric}
    )


def examples() -> list[Example]:
    return [
        Example(str(n), (Turn("user", f"q{n}"),), f"answer number {n}", Origin("f", n + 1))
        for n in range(ROWS)
    ]


def arm(
    folder: Path, name: str, kind: ArmKind, right: int, using: Suite, validation: int | None = None
) -> ArmResult:
    """An arm that answers the first `right` of the test rows right."""

    def scored(split: str, hits: int):  # type: ignore[no-untyped-def]
        answers = [
            Prediction(item.id, item.target if n < hits else "something else entirely")
            for n, item in enumerate(examples())
        ]
        return score(examples(), answers, using, split, 1)

    test, rows = scored("test", right)
    path = folder / f"{name}.jsonl"
    write_rows(path, rows)
    return ArmResult(
        digest=name,
        name=name,
        kind=kind,
        status="done",
        test=test,
        validation=scored("validation", validation)[0] if validation is not None else None,
        predictions={"test": str(path)},
    )


def concluded(arms: Sequence[ArmResult], using: Suite) -> tuple[str, str, str]:
    choices = choose_baselines(arms, using, 1, "validation")
    said = verdict(arms, differences(arms, choices, using, 1), using, choices=choices)
    return said.headline, said.winner, " ".join(said.reasons)


def paired(arms: Sequence[ArmResult]) -> list[Difference]:
    return differences(arms, choose_baselines(arms, suite(), 1, "validation"), suite(), 1)


def test_a_clear_win(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 1, suite()),
        arm(tmp_path, "3-shot", "few_shot", 5, suite()),
        arm(tmp_path, "80 rows", "tuned", 50, suite(), validation=45),
        arm(tmp_path, "240 rows", "tuned", 48, suite(), validation=50),
    ]
    headline, winner, reasons = concluded(arms, suite())
    # 80 rows is better on test, but validation chooses.
    assert winner == "240 rows"
    assert headline.startswith("Tuning pays: 240 rows reaches exact_match 0.800 against 0.083")
    assert "for 3-shot" in headline
    assert "chosen on 60 validation rows" in reasons


def test_a_win_that_can_be_luck(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "3-shot", "few_shot", 30, suite()),
        arm(tmp_path, "tuned", "tuned", 31, suite(), validation=30),
    ]
    headline, winner, _ = concluded(arms, suite())
    assert winner == ""
    assert "that can be luck" in headline


def test_tuning_that_hurts(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "3-shot", "few_shot", 50, suite()),
        arm(tmp_path, "tuned", "tuned", 5, suite(), validation=5),
    ]
    assert concluded(arms, suite())[0].startswith("Tuning hurts")


def test_lower_is_better_for_ter(tmp_path: Path) -> None:
    using = suite("ter")
    arms = [
        arm(tmp_path, "zero-shot", "zero_shot", 2, using),
        arm(tmp_path, "3-shot", "few_shot", 10, using),
        arm(tmp_path, "tuned", "tuned", 55, using, validation=55),
    ]
    best = strongest(arms[:2], "ter")
    assert best
    assert best.name == "3-shot"
    headline, winner, _ = concluded(arms, using)
    assert winner == "tuned"
    assert headline.startswith("Tuning pays")


def test_nothing_finished() -> None:
    failed = ArmResult(digest="a", name="a", kind="tuned", status="failed", error="no memory")
    said = verdict([failed], [], suite())
    assert said.headline == "No arm finished, so there is no verdict."
    assert said.reasons == ["1 of 1 arm failed; see the table."]


def test_no_baseline(tmp_path: Path) -> None:
    arms = [arm(tmp_path, "tuned", "tuned", 30, suite(), validation=30)]
    headline, winner, _ = concluded(arms, suite())
    assert winner == "tuned"
    assert "no untuned arm" in headline


def test_only_baselines_finished(tmp_path: Path) -> None:
    arms = [arm(tmp_path, "3-shot", "few_shot", 30, suite())]
    assert "best untuned arm is 3-shot with exact_match 0.500" in concluded(arms, suite())[0]


def test_rows_are_paired_by_id(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "3-shot", "few_shot", 10, suite()),
        arm(tmp_path, "tuned", "tuned", 40, suite(), validation=1),
    ]
    path = Path(arms[1].predictions["test"])
    lines = path.read_text().splitlines()
    before = paired(arms)
    path.write_text("\n".join(reversed(lines)) + "\n")
    assert paired(arms) == before
    assert before[0].value == pytest.approx(0.5)
    assert json.loads(lines[0])["id"] == "0"


def test_few_discordant_rows_are_no_proof(tmp_path: Path) -> None:
    # Four wins and no loss: the bootstrap leaves 0 out, the exact test does not.
    arms = [
        arm(tmp_path, "3-shot", "few_shot", 30, suite()),
        arm(tmp_path, "tuned", "tuned", 34, suite(), validation=34),
    ]
    found = paired(arms)
    assert found[0].low > 0
    assert found[0].p == pytest.approx(0.125)
    assert concluded(arms, suite())[1] == ""
    assert "that can be luck" in concluded(arms, suite())[0]


def test_answers_to_other_rows_are_not_compared(tmp_path: Path) -> None:
    arms = [
        arm(tmp_path, "3-shot", "few_shot", 10, suite()),
        arm(tmp_path, "tuned", "tuned", 40, suite(), validation=1),
    ]
    path = Path(arms[1].predictions["test"])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    write_jsonl(path, [{**row, "target": "of another file"} for row in rows])
    assert paired(arms) == []
    headline, winner, _ = concluded(arms, suite())
    assert "no untuned arm on the same rows" in headline
    assert winner == "tuned"


def test_no_test_rows(tmp_path: Path) -> None:
    bare = arm(tmp_path, "tuned", "tuned", 40, suite(), validation=40)
    test, rows = score([], [], suite(), "test", 1)
    path = tmp_path / "none.jsonl"
    write_rows(path, rows)
    empty = bare.model_copy(update={"test": test, "predictions": {"test": str(path)}})
    headline, winner, _ = concluded([empty], suite())
    assert headline.startswith("There is no exact_match on the 0 test rows")
    assert winner == ""


def validated(folder: Path, name: str, asked: range, right: range) -> ArmResult:
    """A tuned arm that was validated on the rows `asked` and answered those in `right` right."""
    made = arm(folder, name, "tuned", 40, suite())
    rows = [examples()[number] for number in asked]
    answers = [Prediction(row.id, row.target if int(row.id) in right else "no") for row in rows]
    validation, kept = score(rows, answers, suite(), "validation", 1)
    path = folder / f"{name}_validation.jsonl"
    write_rows(path, kept)
    files = {**made.predictions, "validation": str(path)}
    return made.model_copy(update={"validation": validation, "predictions": files})


@pytest.mark.parametrize(("asked", "winner", "why"), [
    (range(40), "fewer", "the 40 shared ones chose"),
    (range(20), "all", "the choice rests on those"),
    (range(60), "all", "all was chosen on 60 validation rows"),
])  # fmt: skip
def test_validation_rows_that_differ_do_not_choose(
    tmp_path: Path, asked: range, winner: str, why: str
) -> None:
    arms = [
        validated(tmp_path, "all", range(60), range(20, 60)),  # of the first 40 right in 20
        validated(tmp_path, "fewer", asked, range(int(0.65 * len(asked)))),
        arm(tmp_path, "zero-shot", "zero_shot", 1, suite()),
    ]
    _, won, reasons = concluded(arms, suite())
    assert won == winner
    assert why in reasons


def test_validation_makes_the_winners_p_one_test(tmp_path: Path) -> None:
    """A gain that Holm's correction over ten arms hides is one where validation named the arm, and
    none where the test rows had to choose it."""
    zero_shot = arm(tmp_path, "zero-shot", "zero_shot", 20, suite())

    def arms(validation: int | None) -> list[ArmResult]:
        others = [arm(tmp_path, f"arm {n}", "tuned", 21, suite(), validation) for n in range(9)]
        best = None if validation is None else validation + 1
        return [zero_shot, *others, arm(tmp_path, "best", "tuned", 28, suite(), best)]

    found = paired(arms(30))
    difference = next(item for item in found if item.arm == "best")
    assert difference.p < 0.05 < difference.p_holm
    assert not difference.clear, "the table shows all arms, and corrects for that"
    headline, winner, reasons = concluded(arms(30), suite())
    assert (winner, headline[:12]) == ("best", "Tuning pays:")
    assert "Validation chose this one of 10 comparisons, so p counts without" in reasons
    headline, winner, _ = concluded(arms(None), suite())
    assert (winner, headline[:12]) == ("", "Not decided:")


def test_a_loss_counts_once_for_each_untuned_arm(tmp_path: Path) -> None:
    """The strongest of four was picked on the very rows that show the loss."""
    tuned = arm(tmp_path, "tuned", "tuned", 20, suite(), 30)
    untuned = [arm(tmp_path, "zero-shot", "zero_shot", 27, suite())]
    headline, _, _ = concluded([tuned, *untuned], suite())
    assert headline.startswith("Tuning hurts:")
    untuned += [arm(tmp_path, f"{n}-shot", "few_shot", 20, suite()) for n in (1, 3, 5)]
    headline, winner, reasons = concluded([tuned, *untuned], suite())
    assert (winner, headline[:12]) == ("", "Not decided:")
    assert "(there are no validation rows)" in reasons
    assert "p of a loss counts 4 times" in reasons
    assert "counted 4 times and after Holm's correction" in reasons
