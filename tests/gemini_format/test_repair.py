"""Repairing tuning files: what is mended, what is left, and that nothing gets lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.gemini_format import fix_gemini, validate_files
from runner.gemini_format.repair import RepairResult
from tests.gemini_format.test_rows import GOOD, MODEL, USER, VALID
from tests.gemini_format.test_strict import mutants


def fixed(folder: Path, *lines: object) -> RepairResult:
    """Repair a file with these lines (objects are written as JSON, text as it is)."""
    raw = [
        line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line))
        for line in lines
    ]
    path = folder / "train.jsonl"
    path.write_bytes(b"".join((r if isinstance(r, bytes) else r.encode()) + b"\n" for r in raw))
    with path.open("rb") as stream:
        return fix_gemini(stream, path)


def rows(found: RepairResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.files["repaired"].read_bytes().splitlines()]


def talk(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in pairs]}


HELLO = talk(("user", "hello"), ("model", "hi"))
SYSTEM = {"systemInstruction": {"role": "system", "parts": [{"text": "be kind"}]}}

MENDED: list[tuple[object, dict[str, Any], str]] = [
    (
        {
            "messages": [
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": "hi"},
            ]
        },
        {**HELLO, **SYSTEM},
        "`messages` made `contents`",
    ),
    ({"input_text": "hello", "output_text": "hi"}, HELLO, "`input_text` and `output_text` made"),
    ({"prompt": "hello", "completion": "hi"}, HELLO, "`prompt` and `completion` made"),
    (
        {"contents": [{"role": "user", "content": "hello"}, {"role": "assistant", "parts": "hi"}]},
        HELLO,
        "role `assistant` made `model`",
    ),
    ({**HELLO, "systemInstruction": "be kind"}, {**HELLO, **SYSTEM}, "made parts"),
    (
        {"contents": [{"parts": [{"text": "be kind"}]}, *HELLO["contents"]]},
        {**HELLO, **SYSTEM},
        "moved from the turns to `systemInstruction`",
    ),
    ({**HELLO, "labels": {"a": "b"}, "model": "m"}, HELLO, "`labels` removed"),
    (
        {"contents": [HELLO["contents"][0], {**HELLO["contents"][1], "weight": 0}]},
        HELLO,
        "`weight` removed",
    ),
    (
        {
            "contents": [
                HELLO["contents"][0],
                {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "hi"}]},
            ]
        },
        HELLO,
        "thoughts and empty parts removed",
    ),
    (json.dumps(HELLO).replace('"', "”"), HELLO, "typographic quotes made straight"),
    ("\ufeff" + json.dumps(HELLO), HELLO, "byte-order mark removed"),
    (json.dumps(HELLO) + ",", HELLO, "comma behind the row removed"),
    (json.dumps(HELLO).replace("}]", "},rn ]"), HELLO, "left-over line ends and commas"),
    (
        json.dumps(HELLO, indent=1).replace("\n", "\\r\\n").replace("hello", "return“ rn"),
        talk(("user", "return“ rn"), ("model", "hi")),
        "left-over line ends",
    ),
    (json.dumps(HELLO, indent=2), HELLO, "put on one line"),
    (
        json.dumps(HELLO, indent=2).replace('"', "“").replace("\n", "rn\n"),
        HELLO,
        "typographic quotes made straight",
    ),
]


@pytest.mark.parametrize(("line", "row", "says"), MENDED, ids=range(len(MENDED)))
def test_what_is_mended(tmp_path: Path, line: object, row: dict[str, Any], says: str) -> None:
    found = fixed(tmp_path, GOOD, line, GOOD)
    assert rows(found) == [GOOD, row, GOOD]
    assert (found.untouched, found.repaired, found.rest) == (2, 1, 0)
    (note,) = found.notes
    assert note.startswith("line 2: ")
    assert says in note
    assert found.files["log"].read_text() == f"{note}\n"
    assert "rest" not in found.files


def test_an_array_becomes_rows(tmp_path: Path) -> None:
    found = fixed(tmp_path, json.dumps([HELLO, GOOD], indent=1))
    assert rows(found) == [HELLO, GOOD]


NOT_MENDED: list[object] = [
    {"contents": [USER, USER, MODEL]},
    {"contents": [MODEL]},
    {**GOOD, "cachedContent": "c"},
    {"question": "hello", "answer": "hi"},
    '{"contents": ',
    "hello",
    b"\xff\xfe",
    '{"contents": [], "contents": []}',
]


@pytest.mark.parametrize("line", NOT_MENDED, ids=range(len(NOT_MENDED)))
def test_what_is_left_is_left_as_it_is(tmp_path: Path, line: object) -> None:
    found = fixed(tmp_path, GOOD, line, HELLO)
    raw = line if isinstance(line, bytes) else None
    raw = raw or (line if isinstance(line, str) else json.dumps(line)).encode()
    assert found.files["rest"].read_bytes() == raw + b"\n"
    assert rows(found) == [GOOD, HELLO]
    assert found.notes[0].startswith("line 2: not repaired")


def test_sound_files_are_left_alone(tmp_path: Path) -> None:
    found = fixed(tmp_path, *VALID)
    assert (found.untouched, found.files) == (len(VALID), {})
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    first, second = (fixed(tmp_path, {"prompt": "a", "completion": "b"}) for _ in range(2))
    assert first.files["repaired"].name == "train.repaired.jsonl"
    assert second.files["repaired"].name == "train.repaired-2.jsonl"


def test_mutilated_rows_are_sound_or_left(tmp_path: Path) -> None:
    lines = mutants()[:2000]
    found = fixed(tmp_path, *lines)
    rest = found.files["rest"].read_bytes().splitlines()
    kept = found.files["repaired"].read_bytes().splitlines()
    blank = sum(not line.strip() for line in lines)
    assert len(rest) + len(kept) + blank == len(lines)
    assert found.untouched + found.repaired == len(kept)
    assert set(rest) <= set(lines)
    assert validate_files({"train": found.files["repaired"]}, 10_000).counts.keys() <= {
        "mixed_methods"
    }


NOTHING = (b"", b"[", b"]", b"\xef\xbb\xbf", b"\xef\xbb\xbf[")
"""Lines that hold nothing."""


@settings(max_examples=150)
@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from([orjson.dumps(row) for row in VALID]),
            st.sampled_from([b"{", b"}", b"[", b"]", b"", b'"a": 1,', b'{"a": 1}']),
            st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")),
        ),
        max_size=8,
    )
)
def test_nothing_gets_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("fix")
    found = fixed(folder, *lines)
    out = b"".join(path.read_bytes() for name, path in found.files.items() if name != "log")
    seeds = [orjson.dumps(row) for row in VALID]
    for line in lines:
        assert line.strip() in NOTHING or line in (out if found.files else seeds)
