"""The offline judge of Gemini tuning files: every mistake named by line, path and cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import RowFault
from runner.gemini_format import validate_files


def judge(tmp_path: Path, *lines: object, limit: int = 1000) -> list[RowFault]:
    """Faults of a file with these lines (objects are written as JSON)."""
    path = tmp_path / "rows.jsonl"
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return validate_files({"train": path}, limit).faults


def turn(role: str, *parts: Any) -> dict[str, Any]:
    return {"role": role, "parts": list(parts or [{"text": "hello"}])}


USER, MODEL = turn("user"), turn("model")
GOOD = {"contents": [USER, MODEL]}

VALID: list[dict[str, Any]] = [
    GOOD,
    {**GOOD, "systemInstruction": {"role": "system", "parts": [{"text": "be kind"}]}},
    {**GOOD, "system_instruction": {"parts": [{"text": "be kind"}]}},
    {"contents": [USER, MODEL, USER, MODEL]},
    {"contents": [turn("user", {"text": "a"}, {"text": "b"}), MODEL]},
    {
        "contents": [
            turn("user", {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x"}}),
            MODEL,
        ],
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    },
    {
        "contents": [
            USER,
            turn("model", {"functionCall": {"name": "f", "args": {}}}),
            {"parts": [{"functionResponse": {"name": "f", "response": {"a": 1}}}]},
            MODEL,
        ],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
    },
    {
        "contents": [
            turn(
                "user",
                {"text": "when?"},
                {
                    "fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/x.mp4"},
                    "videoMetadata": {"startOffset": "5s", "endOffset": "25.5s", "fps": 1},
                    "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
                },
            ),
            MODEL,
        ],
        "generationConfig": {"temperature": 0.5, "stopSequences": ["x"], "maxOutputTokens": 9},
    },
    {
        "contents": [
            USER,
            turn(
                "model",
                {"functionCall": {"name": "f", "args": {"day": {"n": [1]}}}},
                {"function_call": {"name": "g"}},
            ),
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "f", "response": {"ok": True}}},
                    {"functionResponse": {"name": "g", "response": {"b": None}}},
                ],
            },
            turn("model", {"functionCall": {"name": "g", "args": {}}}),
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "does f",
                        "parameters": {
                            "type": "OBJECT",
                            "properties": {
                                "day": {"type": "STRING", "enum": ["a"], "maxLength": 9},
                                "hours": {"type": "ARRAY", "items": {"type": "NUMBER"}},
                                "one": {"anyOf": [{"type": "INTEGER", "minimum": 0}]},
                            },
                            "required": ["day"],
                        },
                    },
                    {"name": "g", "parametersJsonSchema": {"type": "object"}},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}},
    },
    {
        "contents": [USER],
        "completions": [
            {"score": 1, "completion": turn("model", {"text": "good"})},
            {"score": 0.0, "completion": turn("model", {"text": "bad"})},
        ],
        "systemInstruction": {"parts": [{"text": "be kind"}]},
    },
]


@pytest.mark.parametrize("row", VALID)
def test_valid_rows(tmp_path: Path, row: dict[str, Any]) -> None:
    assert judge(tmp_path, row) == []


WRONG: list[tuple[object, str, str, str]] = [
    (
        {"messages": [{"role": "user", "content": "a"}, {"role": "model", "content": "b"}]},
        "missing_contents",
        "contents",
        "rename it to `contents`, `assistant` to `model`",
    ),
    (
        {"input_text": "a", "output_text": "b"},
        "missing_contents",
        "contents",
        "a user and a model turn",
    ),
    ({"contents": []}, "bad_contents", "contents", "a list"),
    ({"contents": USER}, "bad_contents", "contents", "a list"),
    ({"contents": [USER, turn("assistant")]}, "bad_role", "contents[1].role", "`model`"),
    (
        {"contents": [turn("system"), MODEL]},
        "bad_role",
        "contents[0].role",
        "`systemInstruction`",
    ),
    ({"contents": [USER, {"parts": [{"text": "a"}]}]}, "bad_role", "contents[1].role", "None"),
    (
        {"contents": [USER, {"role": "model", "content": "b"}]},
        "content_string",
        "contents[1].content",
        "`parts`",
    ),
    (
        {"contents": [USER, {"role": "model", "parts": {"text": "b"}}]},
        "bad_parts",
        "contents[1].parts",
        "list",
    ),
    ({"contents": [USER, turn("model", "b")]}, "bad_part", "contents[1].parts[0]", "object"),
    (
        {"contents": [turn("user", {"text": "a", "fileData": {}}), MODEL]},
        "part_kinds",
        "contents[0].parts[0]",
        "fileData, text",
    ),
    ({"contents": [turn("user", {}), MODEL]}, "part_kinds", "contents[0].parts[0]", "none"),
    (
        {"contents": [USER, turn("model", {"text": " "})]},
        "empty_text",
        "contents[1].parts[0].text",
        "empty",
    ),
    (
        {"contents": [USER, turn("model", {"text": "a", "thought": True})]},
        "thought",
        "contents[1].parts[0]",
        "thoughts",
    ),
    (
        {"contents": [USER, {**MODEL, "weight": 0}]},
        "unsupported_key",
        "contents[1].weight",
        "weights do not exist",
    ),
    ({**GOOD, "labels": {}}, "unsupported_key", "labels", "backend.labels"),
    ({**GOOD, "extra": 1}, "unsupported_key", "extra", "not part of a tuning row"),
    ({"contents": [MODEL]}, "first_turn", "contents[0].role", "user's"),
    ({"contents": [USER, USER, MODEL]}, "consecutive_turns", "contents[1].role", "alternate"),
    ({"contents": [USER, MODEL, USER]}, "last_turn", "contents[2].role", "the answer to learn"),
    ({"contents": [USER, 7]}, "bad_turn", "contents[1]", "object"),
    ({**GOOD, "systemInstruction": "be kind"}, "bad_system", "systemInstruction", "parts"),
    (
        {**GOOD, "systemInstruction": {"parts": [{"fileData": {}}]}},
        "system_not_text",
        "systemInstruction.parts[0]",
        "text only",
    ),
    ({"contents": [turn("user", {"text": "w" * 6000}), MODEL]}, "too_long", "", "1,20"),
    ([1, 2], "not_object", "", "one JSON object"),
    (b"", "blank_line", "", "empty"),
    (b'{"contents": ', "bad_json", "", "one line"),
    (b"{", "bad_json", "", "one row has to stand on one line"),
    ("{“contents”: []}".encode(), "curly_quotes", "", "straight quotes"),
    (b'{"contents": "\xe9"}', "bad_encoding", "", "0xE9"),
    (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "byte_order_mark", "", "without"),
]


@pytest.mark.parametrize(("row", "rule", "path", "says"), WRONG)
def test_wrong_rows(tmp_path: Path, row: object, rule: str, path: str, says: str) -> None:
    faults = judge(tmp_path, GOOD, row, GOOD)
    assert {fault.line for fault in faults} == {2}
    found = next(fault for fault in faults if fault.rule == rule)
    assert found.field == path
    assert says in found.message


def test_every_fault_is_reported(tmp_path: Path) -> None:
    bad = {"contents": [turn("assistant", {"text": ""}), USER], "labels": {}}
    assert {fault.rule for fault in judge(tmp_path, bad)} == {
        "unsupported_key",
        "bad_role",
        "empty_text",
        "first_turn",
        "last_turn",
    }


def test_a_pretty_printed_row_is_refused_on_its_first_line(tmp_path: Path) -> None:
    faults = judge(tmp_path, *json.dumps(GOOD, indent=2).encode().splitlines())
    assert faults[0].line == 1
    assert "one row has to stand on one line" in faults[0].message


def test_an_empty_file_has_no_faults(tmp_path: Path) -> None:
    assert judge(tmp_path) == []


keys = st.sampled_from(
    ["contents", "systemInstruction", "role", "parts", "text", "fileData", "user", "model"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | keys | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=200)
@given(row=values | st.fixed_dictionaries({"contents": st.lists(values, max_size=3)}))
def test_any_json_is_judged(tmp_path_factory: pytest.TempPathFactory, row: object) -> None:
    faults = judge(tmp_path_factory.mktemp("any"), row)
    assert all(fault.rule and fault.message and fault.line == 1 for fault in faults)


@settings(max_examples=100)
@given(line=st.binary(max_size=60).filter(lambda raw: b"\n" not in raw))
def test_any_bytes_are_judged(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    assert judge(tmp_path_factory.mktemp("bytes"), line)
