"""A whole experiment that takes seconds: sixty mails, a tiny random model, two tuned arms."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LABELS = {"refund": "money back please for", "delivery": "where is my", "defect": "it broke:"}
THINGS = ["kettle", "lamp", "jacket", "phone", "desk", "chair", "radio", "clock", "tent", "bag"]

YAML = """\
# @package _global_
defaults:
  - override /model: tiny_random
  - override /suite: classification
  - override /tracking: {tracking}
name: tiny
question: Does the road hold?
source:
  train: rows.csv
  input: [text]
  target: label
prepare:
  split: {{validation: 6, test: 12}}
template:
  name: plain
  prompt: "{{{{ text }}}}"
suite:
  generation: {{max_tokens: 4}}
tuning:
  epochs: 2
baseline:
  few_shot: {shots}
sweep:
  grid:
    prepare.select.size: {sizes}
"""


def write(
    folder: Path, tracking: str = "none", sizes: Sequence[int] = (8, 16), shots: str = "[1]"
) -> Path:
    """Write data and YAML into `folder`; return the YAML."""
    with (folder / "rows.csv").open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["text", "label"])
        for number in range(2):
            for label, words in LABELS.items():
                table.writerows([f"{words} {thing} {number}", label] for thing in THINGS)
    path = folder / "tiny.yaml"
    path.write_text(YAML.format(tracking=tracking, sizes=list(sizes), shots=shots))
    return path


def sft(folder: Path, *words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run `sft` in a process of its own, started in `folder`."""
    return subprocess.run(command(*words), **options(folder), **settings, timeout=400)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "runner", *words]


def options(folder: Path) -> dict[str, Any]:
    # One thread: the model is tiny, and tests run side by side.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {"cwd": folder, "env": environment, "capture_output": True, "text": True}


def outcome(result: str | dict[str, Any]) -> dict[str, Any]:
    """What must be equal between two runs: every score, curve and answer; no time, no path."""
    raw = json.loads(result) if isinstance(result, str) else result
    arms = {}
    for arm in raw["arms"]:
        tuning = arm["tuning"] or {"curves": [], "checkpoints": []}
        arms[arm["name"]] = {
            "status": arm["status"],
            "digest": arm["digest"],
            "best": arm["best"],
            "test": arm["test"],
            "validation": arm["validation"],
            "checkpoints": [
                {key: item[key] for key in ("id", "epoch", "step", "eval_loss", "validation")}
                for item in arm["checkpoints"]
            ],
            "curves": [[p["name"], p["step"], p["value"]] for p in tuning["curves"]],
            "answers": [
                json.loads(line)["text"]
                for line in Path(arm["predictions"]["test"]).read_text().splitlines()
            ],
        }
    looks = [[each["split"], each["comparisons"], each["untuned"]] for each in raw["looks"]]
    kept = {"differences": raw["differences"], "verdict": raw["verdict"]}
    return {"arms": arms, "looks": looks, **kept}
