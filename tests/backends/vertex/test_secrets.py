"""What a whole run on Vertex AI leaves behind names no token, and no row where none belongs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from runner.backends.vertex.clients import EMULATED_TOKEN
from runner.emulator import Emulator
from tests.acceptance.tiny import sft

MARK = "zanzibar-parcel"
"""Stands in every row and nowhere else."""
YAML = """\
defaults:
  - override /model: gemini_3_1_flash_lite
  - override /backend: vertex
name: discreet
source: {{train: rows.csv, input: [text], target: label}}
prepare: {{split: {{validation: 4, test: 4, stratify: null}}}}
baseline: {{few_shot: []}}
tuning: {{epochs: 1}}
suite: {{generation: {{max_tokens: 8}}}}
backend: {{project: lab, bucket: "gs://sft-emulator/x", emulator: "{url}", poll_seconds: 0.1}}
"""


def rows(folder: Path) -> None:
    lines = [f"where is my {MARK} number {at},label {at % 2}" for at in range(24)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n")


def test_no_token_and_no_row_where_none_belongs(emulator: Emulator, tmp_path: Path) -> None:
    rows(tmp_path)
    (tmp_path / "discreet.yaml").write_text(YAML.format(url=emulator.url))
    done = sft(tmp_path, "run", "discreet.yaml")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert MARK not in said
    assert EMULATED_TOKEN not in said

    home = tmp_path / "runs"
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 30
    named = [str(path) for path in files if EMULATED_TOKEN.encode() in path.read_bytes()]
    assert named == []
    logs = [path for path in files if path.suffix == ".log" or "logs" in path.parts]
    assert [str(path) for path in logs if MARK.encode() in path.read_bytes()] == []
    with sqlite3.connect(next(home.rglob("mlflow.db"))) as base:
        for table in ("params", "latest_metrics", "tags"):
            shown = base.execute(f"SELECT * FROM {table}").fetchall()
            assert shown, table
            assert not [row for row in shown if MARK in str(row)], table
    with sqlite3.connect(home / "ledger.db") as base:
        assert MARK not in str(base.execute("SELECT * FROM jobs").fetchall())


def test_a_failed_job_names_no_row(tmp_path: Path) -> None:
    rows(tmp_path)
    with Emulator(faults=[{"on": "job", "do": "failed"}]) as emulator:
        (tmp_path / "discreet.yaml").write_text(YAML.format(url=emulator.url))
        done = sft(tmp_path, "run", "discreet.yaml", "tracking=none")
    assert done.returncode == 1
    assert MARK not in done.stdout + done.stderr
    assert EMULATED_TOKEN not in done.stdout + done.stderr
    for path in (tmp_path / "runs" / "logs").rglob("*"):
        assert MARK.encode() not in path.read_bytes()
