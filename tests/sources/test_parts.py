"""Rows of more than text: files, function calls, two answers to choose from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import ConfigError, DataError
from runner.records import Row, Turn
from tests.sources.reading import read, read_file, rules, source, write_jsonl

FILE = {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x.png"}}
VIDEO = {
    "fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/x.mp4"},
    "videoMetadata": {"startOffset": "5s", "endOffset": "25s"},
    "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
}
CALL = {"functionCall": {"name": "weather", "args": {"unit": "C", "city": "Oslo"}}}
RESPONSE = {"functionResponse": {"name": "weather", "response": {"degrees": 3}}}
TOOLS = [{"functionDeclarations": [{"name": "weather"}]}]


def gemini_row(tmp_path: Path, raw: dict[str, Any]) -> Row:
    (row,), faults = read(
        source(kind="gemini", train=str(write_jsonl(tmp_path / "a.jsonl", [raw])))
    )
    assert not faults.faulty
    return row


def chat_row(tmp_path: Path, raw: dict[str, Any]) -> Row:
    (row,), faults = read(source(kind="chat", train=str(write_jsonl(tmp_path / "a.jsonl", [raw]))))
    assert not faults.faulty
    return row


def test_files_stay_parts_and_are_text_for_comparing(tmp_path: Path) -> None:
    raw = {
        "contents": [
            {"role": "user", "parts": [{"text": "what is "}, FILE, {"text": "this?"}, VIDEO]},
            {"role": "model", "parts": [{"text": "a cat"}]},
        ],
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    }
    row = gemini_row(tmp_path, raw)
    (asked,) = row.history
    assert asked.to_gemini() == raw["contents"][0]  # type: ignore[index]
    text, image, video = asked.text.splitlines()
    assert text == "what is this?"
    assert [json.loads(image), json.loads(video)] == [FILE, VIDEO]
    assert row.extras == {"generationConfig": raw["generationConfig"]}
    assert (row.target, row.target_parts) == ("a cat", ())


def test_snake_case_is_read_as_camel_case(tmp_path: Path) -> None:
    raw = {
        "system_instruction": {"parts": [{"text": "be kind"}]},
        "contents": [
            {
                "role": "user",
                "parts": [{"file_data": {"mime_type": "image/png", "file_uri": "gs://b/x.png"}}],
            },
            {"role": "model", "parts": [{"text": "a cat"}]},
        ],
        "generation_config": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    }
    row = gemini_row(tmp_path, raw)
    assert row.system == "be kind"
    assert row.history[0].parts == (FILE,)
    assert "generationConfig" in row.extras


def test_a_call_as_the_answer_is_canonical_json(tmp_path: Path) -> None:
    raw = {
        "contents": [
            {"role": "user", "parts": [{"text": "weather in Oslo?"}]},
            {"role": "model", "parts": [CALL]},
        ],
        "tools": TOOLS,
    }
    row = gemini_row(tmp_path, raw)
    assert row.target == '{"name":"weather","args":{"city":"Oslo","unit":"C"}}'
    assert row.target_parts == (CALL,)
    assert row.extras == {"tools": TOOLS}


def test_parallel_calls_are_a_list(tmp_path: Path) -> None:
    raw = {
        "contents": [
            {"role": "user", "parts": [{"text": "weather, twice"}]},
            {"role": "model", "parts": [CALL, CALL]},
        ]
    }
    found = json.loads(gemini_row(tmp_path, raw).target)
    assert found == [CALL["functionCall"], CALL["functionCall"]]


def test_a_response_needs_no_role(tmp_path: Path) -> None:
    raw = {
        "contents": [
            {"role": "user", "parts": [{"text": "weather?"}]},
            {"role": "model", "parts": [CALL]},
            {"parts": [RESPONSE]},
            {"role": "model", "parts": [{"text": "3 degrees"}]},
        ]
    }
    row = gemini_row(tmp_path, raw)
    assert [turn.role for turn in row.history] == ["user", "model", "user"]
    assert row.history[2].parts == (RESPONSE,)
    assert row.target == "3 degrees"


def test_two_answers_make_a_preference_row(tmp_path: Path) -> None:
    def scored(score: int, text: str) -> dict[str, Any]:
        return {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}

    raw = {
        "contents": [{"role": "user", "parts": [{"text": "a poem"}]}],
        "completions": [scored(0, "no"), scored(1, "roses are red")],
    }
    row = gemini_row(tmp_path, raw)
    assert row.history == (Turn("user", "a poem"),)
    assert (row.target, row.rejected) == ("roses are red", "no")


def test_tool_calls_of_chat_rows_are_converted(tmp_path: Path) -> None:
    def call(name: str, arguments: str) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": name, "arguments": arguments}}

    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    raw = {
        "messages": [
            {"role": "user", "content": "weather in Oslo and Rome?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [call("oslo", '{"city": "Oslo"}'), call("rome", '{"city": "Rome"}')],
            },
            {"role": "tool", "tool_call_id": "oslo", "content": '{"degrees": 3}'},
            {"role": "tool", "tool_call_id": "rome", "content": "warm"},
            {"role": "assistant", "content": "cold and warm"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "oslo", "description": "it", "parameters": schema},
            }
        ],
    }
    row = chat_row(tmp_path, raw)
    asked, called, answered = row.history
    assert asked == Turn("user", "weather in Oslo and Rome?")
    assert [part["functionCall"] for part in called.parts] == [
        {"name": "oslo", "args": {"city": "Oslo"}},
        {"name": "rome", "args": {"city": "Rome"}},
    ]
    assert [part["functionResponse"] for part in answered.parts] == [
        {"name": "oslo", "response": {"degrees": 3}},
        {"name": "rome", "response": {"result": "warm"}},
    ]
    (declared,) = row.extras["tools"][0]["functionDeclarations"]
    assert declared["parameters"] == {
        "type": "OBJECT",
        "properties": {
            "city": {"type": "STRING"},
            "days": {"type": "INTEGER", "nullable": True},
        },
        "required": ["city"],
    }


def test_a_chat_answer_may_be_a_call(tmp_path: Path) -> None:
    function = {"name": "f", "arguments": '{"a": 1}'}
    raw = {
        "messages": [
            {"role": "user", "content": "do it"},
            {"role": "assistant", "content": "", "tool_calls": [{"function": function}]},
        ]
    }
    assert chat_row(tmp_path, raw).target == '{"name":"f","args":{"a":1}}'


@pytest.mark.parametrize(
    ("tools", "place"),
    [
        ([7], "tools[0]"),
        ([{"type": "web_search"}], "tools[0]"),
        (
            [{"function": {"name": "f", "parameters": {"$ref": "#/x"}}}],
            "tools[0].function.parameters.$ref",
        ),
        (
            [{"function": {"name": "f", "parameters": {"type": ["string", "integer"]}}}],
            "tools[0].function.parameters.type",
        ),
    ],
)
def test_tools_that_gemini_cannot_take(tmp_path: Path, tools: Any, place: str) -> None:
    raw = {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "tools": tools,
    }
    path = write_jsonl(tmp_path / "a.jsonl", [raw])
    rows, faults = read(source(kind="chat", train=str(path)))
    assert not rows
    (fault,) = next(iter(faults.first.values()))
    assert (fault.rule, fault.field) == ("bad_tools", place)


def test_an_image_url_of_a_chat_row_is_a_file(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "gs://b/x.png"}}
    raw = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "what?"}, image]},
            {"role": "assistant", "content": "a cat"},
        ]
    }
    assert chat_row(tmp_path, raw).history[0].parts == ({"text": "what?"}, FILE)


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "photos.csv"
    path.write_text("\n".join(("photo,caption,hint", *lines)) + "\n")
    return path


def test_media_columns_name_files(tmp_path: Path) -> None:
    path = table(tmp_path, "gs://b/a.JPG,a cat,x", "sub/b.webp,a dog,y", "/tmp/c.png,a cow,z")
    rows, faults = read_file(path, target="caption", media={"photo": None})
    assert not faults.faulty
    assert [row.media["photo"] for row in rows] == ["image/jpeg", "image/webp", "image/png"]
    assert [row.fields["photo"] for row in rows] == [
        "gs://b/a.JPG",
        str(tmp_path / "sub/b.webp"),
        "/tmp/c.png",
    ]
    assert rows[0].fields["hint"] == "x"
    assert Row.from_json(rows[0].to_json()) == rows[0]


def test_a_root_and_a_type_for_media(tmp_path: Path) -> None:
    path = table(tmp_path, "./7,a cat,x")
    config = {"media": {"photo": "image/png"}, "media_root": "gs://b/photos/"}
    (row,), _ = read_file(path, target="caption", input=["hint"], **config)
    assert row.fields == {"hint": "x", "photo": "gs://b/photos/7"}
    assert row.media == {"photo": "image/png"}


def test_media_that_cannot_be_named(tmp_path: Path) -> None:
    path = table(tmp_path, "x.xyzzy,a cat,x", ",a dog,y", "gs://b/ok.png,a cow,z")
    rows, faults = read_file(path, target="caption", media={"photo": None})
    assert len(rows) == 1
    assert rules(faults) == [(2, "unknown_mime"), (3, "empty_media")]


def test_media_columns_have_to_be_there(tmp_path: Path) -> None:
    path = table(tmp_path, "x.png,a cat,x")
    with pytest.raises(DataError, match=r"no column 'foto' \(source.media\); did you mean 'photo'"):
        read_file(path, target="caption", media={"foto": None})
    with pytest.raises(ConfigError, match="'caption' cannot be shown"):
        read_file(path, target="caption", media={"caption": None})
