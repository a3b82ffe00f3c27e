"""`sft diagnose` of what is not done yet, and of what an older version left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli import main
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.store.ledger import Ledger


def recorded(home: Path, status: str, **config: object) -> None:
    arm = ArmResult(digest="a", name="all rows", kind="tuned", status=status, config=config)  # type: ignore[arg-type]
    result = ExperimentResult(name="night", digest="d1", primary="exact_match", arms=[arm])
    ledger = Ledger(home)
    ledger.begin(result)
    ledger.put_arm("d1", arm)


@pytest.mark.parametrize("config", [{}, {"diagnosis": {"older": {"words": 1}}}])
def test_an_arm_under_way_is_not_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: dict[str, object]
) -> None:
    recorded(tmp_path, "running", **config)
    assert main(["diagnose", "night", "--home", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "night: 0 findings" in said
    assert "looked for and not found: none" in said
    assert "overfitting: the arm is running" in said
    assert main(["diagnose", "night", "--home", str(tmp_path), "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {check["outcome"] for check in checks} == {"not_looked_at"}


def test_an_unknown_experiment_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path, "running")
    assert main(["diagnose", "day", "--home", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "error: no experiment 'day' was run here; there are: night\n"
    )
