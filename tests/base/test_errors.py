"""How errors read, and what `sft` exits with for each of them."""

from __future__ import annotations

import pytest

from runner.base import errors
from runner.base.errors import (
    BackendError,
    ConfigError,
    DataError,
    GateError,
    MissingExtraError,
    Problem,
    RowFault,
    SftError,
)


def test_one_problem_is_one_sentence() -> None:
    problem = Problem("tuning.epochs", "'x' is not a whole number", "e.yaml:3")
    assert str(ConfigError([problem])) == "e.yaml:3: tuning.epochs: 'x' is not a whole number"


def test_many_problems_are_a_list_with_hints() -> None:
    said = str(ConfigError([Problem("a", "wrong", hint="did you mean b?"), Problem("", "torn")]))
    assert said.splitlines() == [
        "2 problems in the configuration:",
        "  - a: wrong",
        "      did you mean b?",
        "  - torn",
    ]


def test_rows_are_listed_up_to_a_limit() -> None:
    faults = [RowFault("f.csv", n, "ragged", "3 columns", "x") for n in range(1, 31)]
    lines = str(DataError("30 rows are bad", faults)).splitlines()
    assert lines[1] == "  f.csv:1 [x] ragged: 3 columns"
    assert len(lines) == 2 + DataError.SHOWN
    assert lines[-1].strip() == "... and 10 more"


def test_a_missing_extra_says_what_to_type() -> None:
    said = str(MissingExtraError("torch", "local", "Tuning here"))
    assert "pip install 'sft-runner[local]'" in said


def test_a_backend_names_its_log() -> None:
    assert str(BackendError("no memory left", log="/x.log")).endswith("log: /x.log")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (DataError("x"), 2),
        (MissingExtraError("a", "b", "c"), 2),
        (BackendError("x"), 1),
        (GateError("x"), 4),
    ],
)
def test_exit_codes(error: SftError, code: int) -> None:
    assert error.exit_code == code


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    tree = errors.__doc__ or ""
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SftError)
    ]
    assert len(classes) > 5
    for name in classes:
        assert name in tree, name
