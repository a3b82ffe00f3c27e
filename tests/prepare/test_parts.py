"""Rows of parts on their way to examples and to Gemini's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from runner.config import Select, Template
from runner.gemini_format.tokens import TokenTally
from runner.prepare import render
from runner.prepare.row_table import gemini_line
from runner.prepare.template import Renderer
from runner.records import Example, Origin, Row, Turn, parts_text
from tests.prepare.making import prepared

FILE = {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x.png"}}
CALL = {"functionCall": {"name": "f", "args": {"b": 1, "a": 2}}}
RESPONSE = {"functionResponse": {"name": "f", "response": {"ok": True}}}
AT = Origin("a.jsonl", 1)


def turn(role: Any, *parts: dict[str, Any]) -> Turn:
    return Turn(role, parts_text(parts), parts)


def turns_row(*history: Turn, target: str = "yes", **more: Any) -> Row:
    return Row("r", {}, target, AT, history=history, **more)


def rendered(row: Row, columns: tuple[str, ...] = (), **template: str) -> Example:
    return Renderer(
        Template.model_validate({"name": "t", "prompt": "{{ input }}", **template}), columns
    )(row)


def test_a_plain_template_leaves_parts_as_they_are() -> None:
    asked = turn("user", {"text": "is "}, FILE, {"text": "a cat?"})
    assert rendered(turns_row(asked)).contents == (asked,)


def test_a_template_changes_the_text_and_keeps_the_files() -> None:
    asked = turn("user", {"text": "a "}, FILE, {"text": "cat?"})
    (found,) = rendered(turns_row(asked), prompt="Look: {{ input }}").contents
    assert found.parts == ({"text": "Look: a cat?"}, FILE)
    assert found.text.startswith("Look: a cat?\n")


def test_a_response_is_no_matter_of_the_template() -> None:
    turns = (Turn("user", "go"), turn("model", CALL), turn("user", RESPONSE))
    assert rendered(turns_row(*turns), prompt="Look: {{ input }}").contents == turns


def test_a_call_as_the_answer_is_not_templated() -> None:
    row = turns_row(
        Turn("user", "go"),
        target='{"name":"f","args":{"a":2,"b":1}}',
        target_parts=(CALL,),
        extras={"tools": [{"functionDeclarations": [{"name": "f"}]}]},
    )
    example = rendered(row, target="Answer: {{ target }}")
    assert example.target == row.target
    written = json.loads(gemini_line(example))
    assert written["contents"][-1] == {"role": "model", "parts": [CALL]}
    assert written["tools"] == row.extras["tools"]


def test_two_answers_are_both_templated_and_written_as_completions() -> None:
    row = turns_row(Turn("user", "a poem"), target="good", rejected="bad", system="be kind")
    written = json.loads(gemini_line(rendered(row, target="<{{ target }}>")))
    assert written["contents"] == [{"role": "user", "parts": [{"text": "a poem"}]}]
    assert [
        (item["score"], item["completion"]["parts"][0]["text"]) for item in written["completions"]
    ] == [(1, "<good>"), (0, "<bad>")]
    assert written["systemInstruction"]["parts"] == [{"text": "be kind"}]


def test_media_columns_become_files_behind_the_prompt() -> None:
    row = Row(
        "r",
        {"hint": "indoors", "photo": "gs://b/x.png"},
        "a cat",
        AT,
        media={"photo": "image/png"},
    )
    (found,) = rendered(row, ("hint",), prompt="Caption ({{ hint }}):").contents
    assert found.parts == ({"text": "Caption (indoors):"}, FILE)
    (bare,) = rendered(Row("r", {"photo": "gs://b/x.png"}, "a cat", AT, media=row.media)).contents
    assert bare.parts == (FILE,)


def test_from_rows_with_files_to_the_file_that_is_uploaded(tmp_path: Path) -> None:
    rows = [
        Row(
            f"train-{n}",
            {"photo": f"gs://b/ {n}  .png"},
            f" caption  {n} ",
            Origin("a.csv", n),
            media={"photo": "image/png"},
        )
        for n in range(2, 42)
    ]
    found = prepared(tmp_path / "prepared", {"train": rows})
    assert found.summary["columns"] == []
    assert all(row.fields["photo"].count(" ") == 3 for row in found.splits["train"])
    out = tmp_path / "rendered"
    out.mkdir()
    render(
        tmp_path / "prepared",
        Template(name="t", prompt="Describe it."),
        Select(),
        1000,
        17,
        out,
        lambda examples: None,
    )
    line = orjson.loads((out / "gemini" / "train.jsonl").read_bytes().splitlines()[0])
    text, file = line["contents"][0]["parts"]
    assert text == {"text": "Describe it."}
    assert file["fileData"]["fileUri"].startswith("gs://b/ ")
    assert line["contents"][1]["parts"][0]["text"].startswith("caption ")


def test_cleaning_repairs_text_among_parts(tmp_path: Path) -> None:
    odd = [
        turns_row(
            turn("user", {"text": f" what\u200b is {n}? "}, FILE),
            target=" it ",
            rejected=" no ",
        )
        for n in range(9)
    ]
    found = prepared(tmp_path / "p", {"train": odd})
    row = next(row for rows in found.splits.values() for row in rows)
    said, file = row.history[0].parts
    assert file == FILE
    assert said["text"].startswith("what is ")
    assert said["text"].endswith("?")
    assert row.history[0].text == parts_text((said, file))
    assert row.target == "it"
    assert row.rejected == "no"


def test_files_and_tools_count_as_tokens() -> None:
    tally = TokenTally(lambda examples: None)
    plain = Example("e", (Turn("user", "hello"),), "yes", AT)
    photo = Example("e", (turn("user", {"text": "hello"}, FILE),), "yes", AT)
    tools = Example("e", plain.contents, "yes", AT, extras={"tools": ["f" * 100]})
    (_, low, high), (_, photo_low, photo_high), (_, tools_low, _) = tally.measure(
        [plain, photo, tools]
    )
    assert (photo_low - low, photo_high - high) == (64, 1290)
    assert tools_low > low + 15
