"""Money on the emulator: counted as it would be, called a rehearsal, and kept apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.cli import main
from runner.emulator import Emulator
from runner.records.results import Spending
from runner.store.ledger import Ledger, now_ms
from runner.tracking.arm_run import arm_tags
from runner.tracking.sweep_run import sweep_tags
from tests.backends.vertex.test_road import write

SPENT = 100.0
"""US dollars really spent this month, far above the cap of the rehearsal."""


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_rehearsal_is_called_one_and_touches_no_real_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(tmp_path / "runs")
    bill = {"what": "tuning", "experiment": "e", "arm": "a", "tokens": 1}
    ledger.add_spending(Spending(label="real", usd=SPENT, ms=now_ms(), **bill))
    with Emulator() as emulator:
        words = [str(write(tmp_path, emulator.url)), "budget.month=5"]
        assert main(["plan", *words]) == 0
        assert "a rehearsal on the emulator: nothing is paid" in said(capsys)
        assert main(["plan", *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["rehearsal"] is True
        assert main(["run", *words]) == 0, "what was really spent does not count"
        shown = said(capsys)
        assert "USD: a rehearsal on the emulator" in shown
        page = Path(re.findall(r"report (\S+/report\.html)", shown)[-1])
        assert "a rehearsal on the emulator: nothing was paid" in page.read_text(encoding="utf-8")
    assert ledger.spent("road", "").month == SPENT
    assert ledger.spent("road", "").experiment == 0.0
    assert ledger.spent("road", "", rehearsal=True).month > 0
    (result,) = ledger.experiments("road")
    assert "nothing was paid" in sweep_tags(result)["rehearsal"]
    assert all("nothing was paid" in arm_tags(result, arm, "")["rehearsal"] for arm in result.arms)


def test_the_real_service_is_no_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan can be made by who has not signed in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    words = [str(write(tmp_path, "http://127.0.0.1:9")), "backend.emulator=null"]
    assert main(["plan", *words]) == 0
    assert "rehears" not in said(capsys)
