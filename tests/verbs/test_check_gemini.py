"""`sft check` on rows for Gemini: repairs, and the files that rows name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.files import Objects
from runner.config import VertexBackendSettings
from runner.emulator import Emulator
from runner.verbs.clean import ObjectSizes
from tests.acceptance.tiny import sft

HEAD = """\
# @package _global_
defaults:
  - override /source: {source}
  - override /model: {model}
  - override /tracking: none
"""


def talk(asked: str, answered: str, role: str = "model") -> dict[str, object]:
    return {
        "contents": [
            {"role": "user", "parts": [{"text": asked}]},
            {"role": role, "parts": [{"text": answered}]},
        ]
    }


def lines(*rows: object) -> bytes:
    return b"".join(row if isinstance(row, bytes) else orjson.dumps(row) + b"\n" for row in rows)


def gemini_experiment(folder: Path, *rows: object) -> Path:
    (folder / "train.jsonl").write_bytes(lines(*rows))
    yaml = folder / "exp.yaml"
    head = HEAD.format(source="gemini", model="tiny_random")
    yaml.write_text(f"{head}source:\n  train: train.jsonl\n")
    return yaml


def test_fix_writes_copies_and_says_what_it_did(tmp_path: Path) -> None:
    good = [talk(f"question {n}", f"answer {n % 2}") for n in range(40)]
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    lost = {"question": "a"}
    yaml = gemini_experiment(tmp_path, *good, chat, lost, talk("c", "d", "assistant"))
    before = (tmp_path / "train.jsonl").read_bytes()

    refused = sft(tmp_path, "check", str(yaml))
    assert refused.returncode == 4
    assert "sft check EXP --fix" in refused.stdout + refused.stderr

    said = sft(tmp_path, "check", str(yaml), "--fix")
    assert said.returncode == 2, said.stderr
    assert "line 41: `messages` made `contents`; `content` made `parts`" in said.stdout
    assert "line 42: not repaired: contents: the row has no contents" in said.stdout
    assert "line 43: role `assistant` made `model`" in said.stdout
    assert f"source.train={tmp_path}/train.repaired.jsonl" in said.stdout
    assert (tmp_path / "train.jsonl").read_bytes() == before
    assert (tmp_path / "train.rest.jsonl").read_bytes() == lines(lost)
    repaired = (tmp_path / "train.repaired.jsonl").read_bytes()
    assert repaired == lines(*good, talk("a", "b"), talk("c", "d"))

    checked = sft(tmp_path, "check", str(yaml), f"source.train={tmp_path}/train.repaired.jsonl")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    again = sft(
        tmp_path,
        "check",
        str(yaml),
        f"source.train={tmp_path}/train.repaired.jsonl",
        "--fix",
        "--json",
    )
    assert again.returncode == 0
    (report,) = json.loads(again.stdout)["files"]
    assert (report["untouched"], report["files"]) == (42, {})


def test_fix_is_for_geminis_rows(tmp_path: Path) -> None:
    yaml = gemini_experiment(tmp_path, talk("a", "b"))
    said = sft(tmp_path, "check", str(yaml), "source=chat", "source.train=train.jsonl", "--fix")
    assert said.returncode == 2
    assert "source.kind: is chat" in said.stderr
    assert "Traceback" not in said.stderr


def test_fix_finds_conversations_where_columns_were_announced(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    yaml = gemini_experiment(tmp_path, *rows * 3)
    words = ("source=files", "source.train=train.jsonl", "source.target=label", "--fix")
    said = sft(tmp_path, "check", str(yaml), *words)
    assert said.returncode == 0, said.stderr
    repaired = tmp_path / "train.repaired.jsonl"
    assert f"to use it: source=gemini source.train={repaired}" in said.stdout
    assert repaired.read_bytes() == lines(*[talk("a", "b")] * 3)

    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": "b"}\n' * 3)
    said = sft(tmp_path, "check", str(yaml), *words)
    assert said.returncode == 2
    assert "source.kind: is files" in said.stderr
    assert "rows of columns need no repair" in said.stderr
    assert "Traceback" not in said.stderr


def photos(folder: Path, emulator: str) -> Path:
    rows = "".join(f"{n}.png,caption {n % 3} of it\n" for n in range(40))
    (folder / "photos.csv").write_text(f"photo,caption\n{rows}")
    yaml = folder / "exp.yaml"
    yaml.write_text(
        HEAD.format(source="files", model="gemini_3_1_flash_lite")
        + f"""\
  - override /backend: vertex
source:
  train: photos.csv
  target: caption
  media: {{photo: null}}
  media_root: gs://sft-emulator/photos
prepare:
  split: {{validation: 4, test: 4, stratify: null}}
template:
  name: caption
  prompt: Describe the photo.
backend:
  project: p
  bucket: gs://sft-emulator
  emulator: {emulator}
"""
    )
    return yaml


def test_the_files_of_rows_are_looked_for(tmp_path: Path) -> None:
    with Emulator() as emulator:
        for n in range(30):
            emulator.storage.write(f"gs://sft-emulator/photos/{n}.png", b"x" * (n + 1))
        yaml = photos(tmp_path, emulator.url)
        said = sft(tmp_path, "check", str(yaml), "--json")
        report = json.loads(said.stdout)["treatments"][0]
        assert report["gemini_warnings"] == []
        assert report["gemini_faults"]
        for fault in report["gemini_faults"]:
            assert re.search(r"missing_file: there is no gs://sft-emulator/photos/3\d.png", fault)
            assert "[contents[0].parts[1].fileData.fileUri]" in fault
        for n in range(30, 40):
            emulator.storage.write(f"gs://sft-emulator/photos/{n}.png", b"x")
        said = sft(tmp_path, "check", str(yaml))
        assert said.returncode == 0, said.stdout + said.stderr


def test_without_a_connection_nobody_is_asked_twice() -> None:
    config = {"kind": "vertex", "project": "p", "bucket": "gs://bucket"}
    nowhere = VertexBackendSettings.model_validate({**config, "emulator": "http://127.0.0.1:9"})
    sizes = ObjectSizes(Objects(Clients(nowhere)))
    assert sizes("gs://bucket/a.png") == 0
    assert sizes.trouble.startswith("files of rows were not looked for: ")
    assert sizes("gs://bucket/b.png") == 0
