"""Experiments on a service that takes money."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runner.experiment.console import Console
from runner.experiment.run import RunOutcome, Sweep, assemble, run
from tests.acceptance.tiny import write
from tests.compose.composing import compose_text

CHECKOUT = Path(__file__).resolve().parents[2]

PAID = (
    "model=gemini_3_1_flash_lite",
    "backend=plugin",
    "backend.name=paid",
    "backend.options={}",
)


class Shop:
    """One folder with an experiment in it, and the service's memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.yaml = write(folder, sizes=[8, 16], shots="[]")

    def sweep(self, *overrides: str) -> Sweep:
        text = self.yaml.read_text()
        composition = compose_text(self.folder, text, *PAID, *overrides, file="tiny.yaml")
        return assemble(composition.points, composition.file, "sft run", Console(silent=True))

    def run(self, *overrides: str) -> RunOutcome:
        return run(self.sweep(*overrides), Console(silent=True))

    def bought(self) -> dict[str, list[str]]:
        state = self.folder / "runs" / "service.json"
        empty: dict[str, Any] = {"jobs": [], "calls": []}
        return json.loads(state.read_text()) if state.exists() else empty


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose backend is installed as a package would be."""
    plugins = tmp_path / "plugins" / "paid-1.0.dist-info"
    plugins.mkdir(parents=True)
    (plugins / "METADATA").write_text("Metadata-Version: 2.1\nName: paid\nVersion: 1.0\n")
    entry = "[runner.backends]\npaid = tests.money.paid:PaidBackend\n"
    (plugins / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(plugins.parent))
    path = os.pathsep.join([str(CHECKOUT), str(plugins.parent)])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)
