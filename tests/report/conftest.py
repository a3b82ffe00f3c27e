"""One made-up experiment for all tests of the room, and the page made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.records.experiments import ExperimentResult
from runner.report import write_data_card, write_report
from tests.report.world import experiment


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="session")
def result(folder: Path) -> ExperimentResult:
    return experiment(folder)


@pytest.fixture(scope="session")
def page(result: ExperimentResult, folder: Path) -> Path:
    out = folder / "reports" / "report.html"
    write_report(result, out)
    return out


@pytest.fixture(scope="session")
def card(result: ExperimentResult, folder: Path) -> Path:
    made = result.arms[0].artifacts
    out = folder / "reports" / "data_card.html"
    write_data_card(Path(made["prepare"]), Path(made["render"]), out)
    return out
