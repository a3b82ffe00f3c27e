"""Experiments compose: any file, any folder, every form of sweep, the user's files first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.compose import Composition, compose

Compose = Callable[..., Composition]


@pytest.fixture
def composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    """Write an experiment below `tmp_path` and compose it, started from another folder."""
    start = tmp_path / "somewhere"
    start.mkdir()
    monkeypatch.chdir(start)

    def run(text: str, *argv: str, file: str = "lab/exp.yaml") -> Composition:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        seen: list[Composition] = []

        def on_batch(composition: Composition) -> list[float]:
            seen.append(composition)
            return [0.0] * len(composition.points)

        compose(path, argv, on_batch)
        assert len(seen) == 1
        assert not list(start.iterdir()), "composing wrote into the working directory"
        return seen[0]

    return run


MINIMAL = """\
defaults:
  - override /model: tiny_random

source:
  train: data/train.jsonl
"""


def test_an_experiment_holds_only_differences(composed: Compose, tmp_path: Path) -> None:
    composition = composed(MINIMAL)
    (point,) = composition.points
    assert composition.file == tmp_path / "lab/exp.yaml"
    assert point.experiment.name == "exp"
    assert point.experiment.model.kind == "random"
    assert point.experiment.tuning.epochs == 3
    assert point.varying == {}
    assert "hydra" not in point.config
    assert point.config["tuning"]["adapter_size"] == 8


def test_yaml_grid_groups_and_command_line_end_in_the_same_points(composed: Compose) -> None:
    grid = MINIMAL + "sweep:\n  grid:\n    tuning: [default, quick]\n    seed: [1, 2]\n"
    params = MINIMAL + (
        "hydra:\n  sweeper:\n    params:\n      tuning: default,quick\n      seed: 1,2\n"
    )
    forms = [
        composed(grid),
        composed(params),
        composed(MINIMAL, "-m", "tuning=default,quick", "seed=1,2"),
        composed(
            MINIMAL + "sweep:\n  grid:\n    seed: [1, 2]\n", "--multirun", "tuning=default,quick"
        ),
    ]
    configs = [[point.config for point in form.points] for form in forms]
    varying = [[point.varying for point in form.points] for form in forms]
    assert len(configs[0]) == 4
    assert configs == [configs[0]] * 4
    assert varying == [varying[0]] * 4
    assert varying[0][3] == {"tuning": "quick", "seed": "2"}
