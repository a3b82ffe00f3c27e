"""Rows that arrive as turns, in Gemini's form and as chat messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.records import Example, Origin, Turn
from tests.sources.reading import read, rules, source, write_jsonl

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: bool(text.strip())
)


@settings(max_examples=50)
@given(system=st.just("") | texts, turns=st.lists(texts, min_size=2, max_size=6))
def test_gemini_rows_read_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, system: str, turns: list[str]
) -> None:
    turns = turns[: len(turns) // 2 * 2]
    history = tuple(Turn("model" if at % 2 else "user", text) for at, text in enumerate(turns[:-1]))
    example = Example("x", history, turns[-1], Origin("f", 1), system)
    path = tmp_path_factory.mktemp("gemini") / "rows.jsonl"
    write_jsonl(path, [example.to_gemini()])
    (row,), _ = read(source(kind="gemini", train=str(path)))
    assert (row.system, row.history, row.target) == (system, history, turns[-1])
    assert (row.id, row.origin) == ("train-1", Origin(str(path), 1))


def test_chat_rows_are_converted(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "bye"},
        {"role": "assistant", "content": "see you"},
    ]
    path = write_jsonl(tmp_path / "rows.jsonl", [{"talk": messages}])
    (row,), _ = read(source(kind="chat", train=str(path), messages="talk"))
    assert row.system == "be kind"
    assert row.history == (Turn("user", "hello"), Turn("model", "hi"), Turn("user", "bye"))
    assert row.target == "see you"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([], "bad_turns"),
        ("hello", "bad_turns"),
        ([user("a")], "bad_order"),
        ([assistant("a")], "bad_order"),
        ([user("a"), user("b"), assistant("c")], "bad_order"),
        ([user("a"), assistant("b"), user("c")], "bad_order"),
        ([user("a"), {"role": "tool", "content": "b"}], "bad_role"),
        ([user("a"), {"role": ["x"], "content": "b"}], "bad_role"),
        ([user("a"), {"role": "system", "content": "b"}], "bad_role"),
        ([user("a"), {"role": "assistant", "content": "", "tool_calls": [1]}], "unsupported_part"),
        ([user("a"), {"role": "assistant", "content": [{"type": "image"}]}], "unsupported_part"),
        ([user("a"), assistant(" ")], "empty_target"),
        ([user(" "), assistant("b")], "empty_input"),
        ([7], "bad_role"),
    ],
)
def test_bad_chat_rows_are_faults(tmp_path: Path, messages: Any, rule: str) -> None:
    path = write_jsonl(
        tmp_path / "rows.jsonl", [{"messages": messages}, {"messages": [user("a"), assistant("b")]}]
    )
    rows, faults = read(source(kind="chat", train=str(path)))
    assert len(rows) == 1
    assert rules(faults) == [(1, rule)]


def gemini(*turns: tuple[str | None, Any]) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": parts} for role, parts in turns]}


TEXT = [{"text": "a"}]
FILE = {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x.png"}}


def scored(score: float, text: str) -> dict[str, Any]:
    return {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"messages": []}, "missing_column"),
        (gemini(), "bad_turns"),
        (gemini(("user", TEXT), ("assistant", TEXT)), "bad_role"),
        (gemini(("user", TEXT), ("model", {"text": "a"})), "bad_turns"),
        (gemini(("user", [{"fileData": {}}]), ("model", TEXT)), "bad_part"),
        (gemini(("user", [{"fileData": {"fileUri": "gs://b/x"}}]), ("model", TEXT)), "bad_part"),
        (gemini(("user", [{"inlineData": {"data": "x"}}]), ("model", TEXT)), "unsupported_part"),
        (gemini(("user", [{"text": "a", "thought": True}]), ("model", TEXT)), "unsupported_part"),
        (gemini(("user", [{"text": "a", "fileData": {}}]), ("model", TEXT)), "unsupported_part"),
        (gemini(("user", TEXT), ("model", [FILE])), "unsupported_part"),
        (gemini(("user", TEXT), ("model", [{"functionCall": {"args": {}}}])), "bad_part"),
        (gemini(("user", TEXT), (None, TEXT)), "bad_role"),
        ({**gemini(("user", TEXT), ("model", TEXT)), "cachedContent": "c"}, "unsupported_key"),
        ({**gemini(("user", TEXT), ("model", TEXT)), "model": "m"}, "unsupported_key"),
        (
            {"contents": [{"role": "user", "parts": TEXT}, {"role": "model", "weight": 0}]},
            "unsupported_key",
        ),
        ({**gemini(("user", TEXT)), "completions": []}, "bad_completions"),
        (
            {**gemini(("user", TEXT)), "completions": [scored(1, "a"), scored(1, "b")]},
            "bad_completions",
        ),
        (
            {**gemini(("user", TEXT)), "completions": [scored(1, "a"), scored(0.5, "b")]},
            "bad_completions",
        ),
        (
            {**gemini(("user", TEXT)), "completions": [scored(1, "a"), scored(0, " ")]},
            "bad_completions",
        ),
        (
            {
                **gemini(("user", TEXT), ("model", TEXT)),
                "completions": [scored(1, "a"), scored(0, "b")],
            },
            "bad_order",
        ),
        (gemini(("user", TEXT)), "bad_order"),
        ({**gemini(("user", TEXT), ("model", TEXT)), "systemInstruction": "x"}, "bad_turns"),
    ],
)
def test_bad_gemini_rows_are_faults(tmp_path: Path, row: dict[str, Any], rule: str) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [row])
    rows, faults = read(source(kind="gemini", train=str(path)))
    assert not rows
    assert rules(faults) == [(1, rule)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "parts", "text", "content", "contents", "messages"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["gemini", "chat"]),
    row=st.fixed_dictionaries(
        {"contents": json_values, "messages": json_values},
        optional={"systemInstruction": json_values},
    ),
)
def test_any_json_is_a_row_or_a_fault(
    tmp_path_factory: pytest.TempPathFactory, kind: str, row: dict[str, Any]
) -> None:
    path = write_jsonl(tmp_path_factory.mktemp("any") / "rows.jsonl", [row])
    rows, faults = read(source(kind=kind, train=str(path)))
    assert len(rows) + faults.faulty.total() == 1
