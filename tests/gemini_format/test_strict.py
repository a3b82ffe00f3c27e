"""Ten thousand mutilated rows: the judge never crashes, names each fault by line and path, and
takes nothing that Google's published schema refuses."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from runner.base.errors import RowFault
from runner.compose.folders import packaged_conf
from runner.compose.yaml_files import read_yaml
from runner.config import GeminiModel
from runner.gemini_format import validate_files
from tests.gemini_format.test_rows import VALID

MUTANTS = 10_000
BATCH = 100
MODEL = GeminiModel.model_validate(
    read_yaml(packaged_conf() / "model" / "gemini_3_1_flash_lite.yaml")
)
WORDS = ["role", "parts", "text", "fileData", "file_data", "name", "args", "thought", "weight"]
WORDS += ["model", "user", "system", "assistant", "MEDIA_RESOLUTION_LOW", "5s", "gs://b/x.png"]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.5, 2**31, 2**63, 1e300, "", " ", "\u201c", "7", [], {}, [[]]),
    *([{}], {"text": "a"}, [{"text": "a"}], {"parts": [{"text": "a"}]}, "x" * 300, *WORDS),
]
KEY = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]|\.?[A-Za-z_]\w*')


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def mutant(draw: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """A row with one to three random changes."""
    row = copy.deepcopy(row)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        every = list(places(row))
        if not every:
            break
        *head, last = draw.choice(every)
        inside: Any = row
        for key in head:
            inside = inside[key]
        change = draw.choice(["set", "set", "drop", "rename", "add", "double", "swap"])
        if change == "set":
            inside[last] = copy.deepcopy(draw.choice(VALUES))
        elif change == "drop":
            del inside[last]
        elif isinstance(inside, dict):
            if change == "rename":
                inside[draw.choice(WORDS)] = inside.pop(last)
            else:
                inside[draw.choice([*WORDS, "videoMetadata", "id", "type", "labels"])] = (
                    copy.deepcopy(draw.choice(VALUES))
                )
        elif change == "double":
            inside.insert(int(last), copy.deepcopy(inside[last]))
        elif change == "swap":
            inside.reverse()
        else:
            inside.insert(int(last), copy.deepcopy(draw.choice(VALUES)))
    return row


def maimed(draw: random.Random, line: bytes) -> bytes:
    """A line with a byte changed, cut off or put in twice."""
    at = draw.randrange(len(line))
    cut = draw.choice([b"", bytes([draw.randrange(256)]), line[at : at + 1] * 2, "”".encode()])
    return (line[:at] + cut + line[at + 1 :]).replace(b"\n", b" ").replace(b"\r", b" ")


def mutants() -> list[bytes]:
    draw = random.Random(17)
    lines = []
    for _ in range(MUTANTS):
        line = orjson.dumps(mutant(draw, draw.choice(VALID)))
        lines.append(maimed(draw, line) if draw.random() < 0.1 else line)
    return lines


def sound(folder: Path, lines: list[bytes]) -> tuple[set[int], list[RowFault]]:
    """Lines without a fault (0-based), and all faults."""
    path = folder / "rows.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    faults = validate_files({"train": path}, MODEL.context_tokens, MODEL.limits).faults
    return set(range(len(lines))) - {fault.line - 1 for fault in faults}, faults


@pytest.fixture(scope="module")
def oracle() -> Callable[[dict[str, Any]], list[Any]]:
    """Everything the discovery document of aiplatform v1beta1 refuses in a row."""
    pytest.importorskip("googleapiclient", reason="the schema is that of google-api-python-client")
    from runner.emulator.schema import api as load_api
    from runner.emulator.schema import read_body

    api = load_api("v1beta1")

    def refused(row: dict[str, Any]) -> list[Any]:
        prefix = "GoogleCloudAiplatformV1beta1"
        kind = "GeminiPreferenceExample" if "completions" in row else "GenerateContentRequest"
        system = row.get("systemInstruction") if "completions" in row else None
        body = {k: v for k, v in row.items() if system is None or k != "systemInstruction"}
        found = list(read_body(api, prefix + kind, body, required=True)[1])
        if system is not None:
            found += read_body(api, prefix + "Content", system, required=True)[1]
        return found

    return refused


def test_the_seeds_are_sound_and_the_schema_knows_it(
    tmp_path: Path, oracle: Callable[[dict[str, Any]], list[Any]]
) -> None:
    for row in VALID:
        assert oracle(row) == []
        assert sound(tmp_path, [orjson.dumps(row)])[1] == []


def test_mutilated_rows(tmp_path: Path, oracle: Callable[[dict[str, Any]], list[Any]]) -> None:
    lines = mutants()
    taken = 0
    for start in range(0, MUTANTS, BATCH):
        batch = lines[start : start + BATCH]
        good, faults = sound(tmp_path, batch)
        for fault in faults:
            assert 1 <= fault.line <= len(batch)
            assert fault.rule
            assert fault.message
            assert "".join(KEY.findall(fault.field)) == fault.field
            if fault.field:
                assert points_somewhere(batch[fault.line - 1], fault.field), fault
        for at in good:
            row = json.loads(batch[at])
            assert oracle(row) == [], row
            taken += 1
    assert MUTANTS // 50 < taken < MUTANTS // 2  # neither everything nor nothing is refused


def points_somewhere(line: bytes, path: str) -> bool:
    """Whether a path names a place of the row, or the place where something is missing."""
    try:
        value = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return False
    keys = [
        int(key[1:-1]) if key[0] == "[" else key for key in re.findall(r"\[\d+\]|[^.\[]+", path)
    ]
    for key in keys[:-1]:
        if isinstance(value, dict) and key == "systemInstruction" and key not in value:
            key = "system_instruction"
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return isinstance(value, dict | list)
    return True
