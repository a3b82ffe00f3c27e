"""Train rows that stand in evaluation: dropped, counted, refused beyond a share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError, DataError, GateError
from tests.prepare.making import OPEN, prepared, rows_of

TRAIN = [("One fine day", "a"), ("two", "a"), ("TWO!", "a"), ("three", "b"), ("four", "b")]
VALIDATION = [("Two.", "a"), ("five", "a")]
TEST = [("one  fine day", "a"), ("three", "x"), ("six", "b"), ("six", "b")]


def splits() -> dict[str, list[object]]:
    return {
        "train": rows_of(TRAIN),
        "validation": rows_of(VALIDATION, "validation"),
        "test": rows_of(TEST, "test"),
    }


def test_train_rows_go_and_evaluation_rows_stay(tmp_path: Path) -> None:
    done = prepared(tmp_path / "out", splits(), OPEN)  # type: ignore[arg-type]
    assert done.texts() == ["four"]
    assert done.reasons() == {
        "train-2": "leak_test",
        "train-3": "leak_validation",
        "train-4": "exact_duplicate",
        "train-5": "leak_test",
    }
    assert [len(done.splits[split]) for split in ("validation", "test")] == [2, 4]
    assert done.summary["leakage"] == {
        "validation_rows_in_train": 1,
        "validation_rows_nearly_in_train": 0,
        "validation_rows_in_train_with_another_target": 0,
        "train_rows_in_validation": 2,
        "test_rows_in_train": 2,
        "test_rows_nearly_in_train": 0,
        "test_rows_in_train_with_another_target": 1,
        "train_rows_in_test": 2,
        "validation_rows_in_test": 0,
    }
    assert done.summary["evaluation"]["test"]["repeats"] == 1
    leak = next(row for row in done.dropped if row["id"] == "train-2")
    assert (leak["matched"], leak["matched_origin"]) == ("test-2", {"file": "test.csv", "line": 2})


def test_gate_names_the_rows(tmp_path: Path) -> None:
    with pytest.raises(GateError) as refused:
        prepared(tmp_path / "out", splits(), {"leakage": {"max_share": 0.4}})  # type: ignore[arg-type]
    assert refused.value.exit_code == 4
    message = str(refused.value)
    assert "1 of 2 validation rows (50.0%)" in message
    assert "train.csv:3 is validation.csv:2: two" in message


def test_gate_also_judges_when_leaks_are_left_in(tmp_path: Path) -> None:
    config = {"leakage": {"exact": False, "max_share": 1}}
    done = prepared(tmp_path / "out", splits(), config)  # type: ignore[arg-type]
    assert set(done.reasons().values()) == {"exact_duplicate"}
    with pytest.raises(GateError):
        prepared(tmp_path / "two", splits(), {"leakage": {"exact": False}})  # type: ignore[arg-type]


def test_validation_is_never_cut_from_rows_that_stand_in_test(tmp_path: Path) -> None:
    train = rows_of([(f"text {n}", "a") for n in range(40)])
    test = rows_of([(f"TEXT {n}", "a") for n in range(30)], "test")
    config = {**OPEN, "split": {"validation": 9}}
    done = prepared(tmp_path / "out", {"train": train, "test": test}, config)
    assert len(done.splits["validation"]) == 9
    assert {row.id for row in done.splits["validation"]} < {row.id for row in train[30:]}
    assert len(done.splits["train"]) == 1


def test_groups_of_a_given_split_leave_train(tmp_path: Path) -> None:
    train = [replace(row, group=f"g{n}") for n, row in enumerate(rows_of([("a", "x"), ("b", "x")]))]
    test = [replace(row, group="g1") for row in rows_of([("c", "x")], "test")]
    done = prepared(tmp_path / "out", {"train": train, "test": test}, {"split": {"validation": 0}})
    assert done.reasons() == {"train-3": "group_in_test"}
    (drop,) = done.dropped
    assert (drop["method"], drop["matched"], drop["span"]) == ("group", "test-2", "g1")


texts = st.lists(st.text("abAB", min_size=1, max_size=2), min_size=1, max_size=12)


@settings(max_examples=50)
@given(train=texts, validation=texts, test=texts)
def test_nothing_of_evaluation_is_left_in_train(
    tmp_path_factory: pytest.TempPathFactory,
    train: list[str],
    validation: list[str],
    test: list[str],
) -> None:
    given_rows = {
        name: rows_of([(text, "x") for text in values], name)
        for name, values in (("train", train), ("validation", validation), ("test", test))
    }
    fresh = {text.casefold() for text in train} - {t.casefold() for t in (*validation, *test)}
    out = tmp_path_factory.mktemp("leak") / "out"
    if not fresh:
        with pytest.raises(DataError, match="no training row is left"):
            prepared(out, given_rows, OPEN)
        return
    done = prepared(out, given_rows, OPEN)
    assert {text.casefold() for text in done.texts()} == fresh
    assert done.texts("validation") == validation
    assert done.texts("test") == test


def test_without_train_there_is_nothing_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.train"):
        prepared(tmp_path / "out", {"test": rows_of([("a", "x")], "test")})
    with pytest.raises(DataError, match="no usable row"):
        prepared(tmp_path / "two", {"train": []})
