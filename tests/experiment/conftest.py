"""Whole experiments on the scripted backend: one folder, one YAML, the arms by a script."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from runner.experiment.console import Console
from runner.experiment.run import RunOutcome, Sweep, assemble, run
from tests.compose.composing import compose_text

YAML = """\
# @package _global_
defaults:
  - override /model: tiny_random
  - override /backend: plugin
  - override /suite: text
  - override /prepare/dedup: none
  - override /tracking: none
name: withheld
question: Who answers?
source:
  train: train.csv
  validation: validation.csv
  test: test.csv
  input: [text]
  target: label
template:
  name: plain
  prompt: "{{ text }}"
baseline:
  few_shot: []
backend:
  name: scripted
  options: OPTIONS
sweep:
  grid:
    tuning.epochs: [1, 2]
"""


class Trial:
    """One folder with an experiment on the scripted backend."""

    def __init__(self, folder: Path, rows: int = 50) -> None:
        self.folder = folder
        for split in ("train", "validation", "test"):
            with (folder / f"{split}.csv").open("w", newline="") as out:
                table = csv.writer(out)
                table.writerow(["text", "label"])
                table.writerows([f"{split} question {n}", f"answer {n}"] for n in range(rows))

    def sweep(self, script: dict[str, Any], *overrides: str, name: str = "withheld") -> Sweep:
        text = YAML.replace("OPTIONS", json.dumps(script)).replace("withheld", name)
        composition = compose_text(self.folder, text, *overrides, file=f"{name}.yaml")
        return assemble(composition.points, composition.file, "sft run", Console(silent=True))

    def run(self, script: dict[str, Any], *overrides: str, name: str = "withheld") -> RunOutcome:
        return run(self.sweep(script, *overrides, name=name), Console(silent=True))

    @property
    def jobs(self) -> int:
        """Tuning jobs that were submitted."""
        return len(list((self.folder / "runs" / "jobs").iterdir()))


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test, with the scripted backend and metric installed."""
    info = tmp_path / "plugins" / "scripted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[runner.backends]\nscripted = tests.experiment.scripted:ScriptedBackend\n"
        "[runner.metrics]\nerrors = tests.experiment.scripted\n"
    )
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trial(plugged: Path) -> Trial:
    return Trial(plugged)
