"""What `sft init` guesses from a user's rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sources.guess import guess

LABELLED = [{"id": n, "text": f"row {n} of many words", "category": "ab"[n % 2]} for n in range(20)]


def test_a_table_of_labels() -> None:
    found = guess(LABELLED)
    assert (found.task, found.target, found.input, found.id) == (
        "classification",
        "category",
        ["text"],
        "id",
    )
    assert found.labels == ["a", "b"]


def test_json_answers() -> None:
    rows = [{"message": f"m {n}", "record": {"intent": "x", "n": n}} for n in range(9)]
    found = guess(rows)
    assert (found.task, found.target, found.input) == ("json_record", "record", ["message"])
    assert found.keys == ["intent", "n"]


def test_free_text_answers() -> None:
    rows = [
        {"mr": f"name[{n}]", "ref": f"There is a nice place called {n} by the river."}
        for n in range(9)
    ]
    found = guess(rows)
    assert (found.task, found.target, found.input) == ("generation", "ref", ["mr"])


def test_short_answers() -> None:
    rows = [{"question": f"Who was number {n}?", "answer": f"person {n}"} for n in range(9)]
    assert guess(rows).task == "qa"


@pytest.mark.parametrize(("key", "kind"), [("contents", "gemini"), ("messages", "chat")])
def test_rows_that_are_conversations(key: str, kind: str) -> None:
    assert guess([{key: []}]).kind == kind


def test_nothing_to_look_at() -> None:
    with pytest.raises(ValueError, match="no rows"):
        guess([])


NAMES = st.sampled_from(["text", "label", "id", "x", "y", "ünï"])
ROWS = st.lists(
    st.dictionaries(NAMES, st.none() | st.integers() | st.text(max_size=20), min_size=1),
    min_size=1,
    max_size=12,
)


@given(ROWS)
def test_any_rows_get_a_guess(rows: list[dict[str, Any]]) -> None:
    found = guess(rows)
    assert found.target in {name for row in rows for name in row}
    assert found.target not in found.input


def test_several_answers_to_one_input_are_references() -> None:
    rows = [
        {"mr": f"name[{n // 3}]", "ref": f"A long and happy sentence, number {n}, about it."}
        for n in range(30)
    ]
    assert guess(rows).repeated
    assert not guess([{**row, "mr": f"name[{n}]"} for n, row in enumerate(rows)]).repeated
