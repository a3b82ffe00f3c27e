"""An experiment's whole life on the service: run, export, ship, clean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli import main
from runner.emulator import Emulator
from runner.store.ledger import Ledger

YAML = """\
# @package _global_
defaults:
  - override /model: gemini_3_1_flash_lite
  - override /backend: vertex
  - override /suite: classification
  - override /tracking: none
name: road
question: Does the road hold?
source: {{train: rows.jsonl, input: [text], target: label}}
prepare:
  split: {{validation: 9, test: 9}}
  select: {{size: 30}}
template: {{name: plain, prompt: "{{{{ text }}}}"}}
suite: {{generation: {{max_tokens: 8}}}}
tuning: {{epochs: 2}}
baseline: {{few_shot: []}}
backend:
  project: p
  bucket: gs://sft-emulator/road
  emulator: {url}
  poll_seconds: 0.1
"""
WORDS = {"refund": "money back for my", "delivery": "where is my", "defect": "it broke: the"}


def write(folder: Path, url: str) -> Path:
    rows = [
        {"text": f"{words} {thing} {number}", "label": label}
        for label, words in WORDS.items()
        for thing in ("kettle", "lamp", "jacket", "phone", "desk")
        for number in range(4)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    (folder / "road.yaml").write_text(YAML.format(url=url), encoding="utf-8")
    return folder / "road.yaml"


def test_run_export_ship_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        file = str(write(tmp_path, emulator.url))
        assert main(["run", file]) == 0, capsys.readouterr()
        (result,) = Ledger(tmp_path / "runs").experiments()
        names = [arm.name for arm in result.arms]
        assert names == ["zero-shot", "zero-shot · default thinking", "tuned"]
        (label,) = [Path(arm.artifacts["tune"]).name for arm in result.arms if arm.tuning]
        recorded = Ledger(tmp_path / "runs").resources([label])
        kinds = sorted(item.kind for item in recorded if not item.deleted_ms)
        assert kinds == ["endpoint", "endpoint", "experiment", "model", "object", "object"]

        assert main(["export", "road", "--tensorboard", "tb"]) == 0
        assert list((tmp_path / "tb").rglob("events.out.tfevents.*"))
        assert main(["ship", "road", "--arm", "tuned"]) == 0
        (client,) = (tmp_path / "runs").rglob("ship/client.json")
        best = next(arm.best for arm in result.arms if arm.tuning)
        assert json.loads(client.read_text(encoding="utf-8"))["checkpoint"] == best

        assert main(["clean", "road", "--yes"]) == 0
        registry = emulator.service.registry
        assert not any(registry.all(kind) for kind in ("models", "endpoints", "contexts"))
        assert not any(
            emulator.storage.read(item.name) for item in recorded if item.kind == "object"
        )
        capsys.readouterr()
        assert main(["run", file]) == 0, "what is done needs the service no more"

        assert main(["run", file, "suite.generation.max_tokens=9"]) == 1
        assert "sft clean has deleted it" in "".join(capsys.readouterr())
        assert not emulator.overview()["violations"]
