"""Recommended hyperparameters on their way to the service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli import main
from runner.emulator import Emulator
from tests.backends.vertex.test_road import write


def test_the_service_gets_the_rules_numbers(
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of Gemini 3 with few rows: 8 epochs, and nothing of what is left to the service."""
    monkeypatch.chdir(tmp_path)
    file = str(write(tmp_path, emulator.url))
    epochs = "tuning.epochs=recommended"
    asked = [epochs, "tuning.learning_rate_multiplier=recommended"]
    assert main(["plan", file, *asked, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert main(["plan", file, "tuning.epochs=8", "--json"]) == 0
    by_hand = json.loads(capsys.readouterr().out)
    assert plan["arms"][-1]["tokens_high"] == by_hand["arms"][-1]["tokens_high"]
    assert plan["price"] == by_hand["price"]
    assert plan["advice"][0]["recommendation"]["rule"] == "gemini_3_few_rows"

    assert main(["run", file, *asked]) == 0, capsys.readouterr()
    shown = "".join(capsys.readouterr())
    assert "tuned: epochs 8, learning_rate_multiplier left to the service" in shown
    (job,) = emulator.service.registry.all("tuningJobs")
    assert job.body["supervisedTuningSpec"]["hyperParameters"]["epochCount"] == "8"
    assert not emulator.overview()["violations"]


def test_numbers_that_the_model_does_not_take_are_refused(
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(write(tmp_path, emulator.url))
    rule = "advice.rules.gemini_3_few_rows.adapter_size=32"
    assert main(["plan", file, "tuning=auto", rule]) == 2
    said = capsys.readouterr().err
    assert (
        "tuning.adapter_size: gemini-3.1-flash-lite takes 1, 2, 4, 8 or 16 (or null), not 32"
        in said
    )
    assert "(recommended by the rule gemini_3_few_rows)" in said
