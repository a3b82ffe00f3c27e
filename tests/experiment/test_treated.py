"""What a data treatment bought, held on the test rows that two arms share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.records import read_jsonl, write_jsonl
from runner.records.results import ArmResult
from runner.verdict.treatment_effects import treatment_differences
from tests.experiment.test_verdict import ROWS, arm, suite


def treated(
    folder: Path, name: str, right: int, rows: range = range(ROWS), **config: Any
) -> ArmResult:
    """A tuned arm that answers `right` test rows right and was asked only some of them."""
    made = arm(folder, name, "tuned", right, suite())
    path = Path(made.predictions["test"])
    asked = list(read_jsonl(path))
    write_jsonl(path, [asked[number] for number in rows])
    return made.model_copy(update={"config": {"tuning": {"epochs": 1}, **config}})


def found(*arms: ArmResult) -> dict[str, tuple[str, int]]:
    return {d.arm: (d.against, d.n) for d in treatment_differences(arms, suite(), 1)}


def test_arms_that_differ_in_their_data_are_held_against_the_first(tmp_path: Path) -> None:
    first = treated(tmp_path, "plain", 20, prepare={"dedup": 0}, source={"weigh_by": "rows"})
    fuzzy = treated(tmp_path, "fuzzy", 50, prepare={"dedup": 1}, source={"weigh_by": "rows"})
    mixed = treated(tmp_path, "mixed", 20, prepare={"dedup": 0}, source={"weigh_by": "tokens"})
    other = treated(tmp_path, "other", 20, prepare={"dedup": 1}, template={"name": "x"})
    assert found(first, fuzzy, mixed, other) == {
        "fuzzy": ("plain", ROWS),
        "mixed": ("plain", ROWS),
    }
    clear, even = treatment_differences([first, fuzzy, mixed], suite(), 1)
    assert (clear.value, clear.clear) == (0.5, True)
    assert (even.value, even.clear) == (0.0, False)


def test_the_rows_that_both_were_asked_count(tmp_path: Path) -> None:
    first = treated(tmp_path, "plain", 20, prepare={"dedup": 0})
    fewer = treated(tmp_path, "fewer", 20, range(5, ROWS), prepare={"dedup": 1})
    hardly = treated(tmp_path, "hardly", 20, range(ROWS - 9, ROWS), prepare={"dedup": 2})
    assert found(first, fewer, hardly) == {"fewer": ("plain", ROWS - 5), "hardly": ("plain", 0)}
    apart = treated(tmp_path, "apart", 20, range(30), prepare={"dedup": 0})
    assert found(treated(tmp_path, "rest", 20, range(30, ROWS), prepare={"dedup": 1}), apart) == {}


def test_rows_of_another_source_are_the_same_only_with_the_same_prompt(tmp_path: Path) -> None:
    first = treated(tmp_path, "plain", 20, source={"train": "a.csv"})
    other = treated(tmp_path, "other", 20, source={"train": "b.csv"})
    path = Path(other.predictions["test"])
    rows = [{**row, "prompt": f"another {row['prompt']}"} for row in read_jsonl(path)]
    assert found(first, other) == {"other": ("plain", ROWS)}
    write_jsonl(path, rows)
    assert found(first, other) == {}
    same = treated(tmp_path, "same", 20, source={"train": "a.csv"}, prepare={"clean": 1})
    write_jsonl(Path(same.predictions["test"]), rows)
    assert found(first, same) == {"same": ("plain", ROWS)}
