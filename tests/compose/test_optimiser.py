"""An optimising sweeper, such as Optuna's, asks batch by batch and is told how each job did."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runner.base.errors import ConfigError
from runner.compose import Composition, compose
from tests.compose.composing import MINIMAL, write

TOLD: list[list[float]] = []


@pytest.fixture
def climbing() -> Iterator[None]:
    """A sweeper ``hydra/sweeper=climbing`` that doubles the seed while the value rises."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins
    from hydra.plugins.sweeper import Sweeper

    plugins = Plugins.instance()

    class Climbing(Sweeper):
        __module__ = "hydra_plugins.climbing"
        __qualname__ = "Climbing"

        def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
            self.arms = plugins.instantiate_launcher(
                hydra_context=hydra_context, task_function=task_function, config=config
            )

        def sweep(self, arguments: Sequence[str]) -> None:
            for batch, seeds in enumerate(([1, 2], [4])):
                jobs = [[*arguments, f"seed={seed}"] for seed in seeds]
                done = self.arms.launch(jobs, initial_job_idx=2 * batch)
                TOLD.append([job.return_value for job in done])

    plugins.register(Climbing)
    module = ModuleType("hydra_plugins.climbing")
    module.Climbing = Climbing  # type: ignore[attr-defined]
    parent = sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    parent.climbing = module  # type: ignore[attr-defined]
    sys.modules["hydra_plugins.climbing"] = module
    ConfigStore.instance().store(
        group="hydra/sweeper", name="climbing", node={"_target_": "hydra_plugins.climbing.Climbing"}
    )
    TOLD.clear()
    yield
    # Other tests read the list of sweepers, and the store is one for the whole process.
    del ConfigStore.instance().repo["hydra"]["sweeper"]["climbing.yaml"]
    del sys.modules["hydra_plugins.climbing"]


@pytest.mark.usefixtures("climbing")
@pytest.mark.parametrize("grid", ["", "sweep: {grid: {tuning.epochs: [1, 3]}}\n"])
def test_each_job_is_told_the_mean_of_its_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grid: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = MINIMAL.replace("source:", "  - override /hydra/sweeper: climbing\nsource:", 1) + grid
    write(tmp_path, {"exp.yaml": text})
    batches: list[Composition] = []

    def on_batch(composition: Composition) -> list[float]:
        batches.append(composition)
        return [
            float(point.experiment.seed * point.experiment.tuning.epochs)
            for point in composition.points
        ]

    compose(tmp_path / "exp.yaml", [], on_batch)
    epochs = 2 if grid else 3
    expected = [[1.0 * epochs, 2.0 * epochs], [4.0 * epochs]]
    assert expected == TOLD
    # Such a sweeper writes its summary there, and expects the folder.
    assert (tmp_path / "runs/hydra").is_dir()
    # The last batch has one job: what it varies is known from the sweep, not from the batch.
    assert [point.varying["seed"] for point in batches[1].points] == ["4"] * (2 if grid else 1)


@pytest.mark.usefixtures("climbing")
def test_a_search_cannot_have_a_sealed_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = MINIMAL.replace("source:", "  - override /hydra/sweeper: climbing\nsource:", 1)
    write(tmp_path, {"exp.yaml": text})
    with pytest.raises(
        ConfigError, match=r"suite\.sealed: is true, and this sweeper asks batch by"
    ):
        compose(tmp_path / "exp.yaml", ["suite.sealed=true"], lambda _: [0.0, 0.0])
    assert TOLD == []
