"""Experiments compose: any file, any folder, every form of sweep, the user's files first."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.compose import Composition, compose
from runner.compose.folders import packaged_conf
from tests.compose.composing import MINIMAL, compose_text, write


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start from a folder that has nothing to do with the experiment's, and stays empty."""
    start = tmp_path / "start"
    start.mkdir()
    monkeypatch.chdir(start)
    return start


def test_an_experiment_holds_only_differences(tmp_path: Path, elsewhere: Path) -> None:
    composition = compose_text(tmp_path, MINIMAL)
    (point,) = composition.points
    assert composition.file == tmp_path / "lab/exp.yaml"
    assert composition.shadowed == ()
    assert point.experiment.name == "exp"
    assert point.experiment.model.kind == "random"
    assert point.varying == {}
    assert "hydra" not in point.config
    assert point.config["tuning"]["adapter_size"] == 8
    assert not list(elsewhere.iterdir())


GRID = MINIMAL + "sweep:\n  grid:\n    tuning: [default, quick]\n    seed: [1, 2]\n"


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        (MINIMAL + "hydra: {sweeper: {params: {tuning: 'default,quick', seed: '1,2'}}}\n", []),
        (MINIMAL + "hydra: {sweeper: {params: {tuning: [default, quick], seed: [1, 2]}}}\n", []),
        (MINIMAL, ["-m", "tuning=default,quick", "seed=1,2"]),
        (MINIMAL, ["--multirun", "tuning=default,quick", "seed=range(1,3)"]),
        (MINIMAL + "sweep: {grid: {seed: [1, 2]}}\n", ["-m", "tuning=default,quick"]),
        (GRID, []),
    ],
)
def test_all_forms_of_sweep_end_in_the_same_points(
    tmp_path: Path, text: str, argv: list[str]
) -> None:
    expected = compose_text(tmp_path, GRID).points
    points = compose_text(tmp_path, text, *argv).points
    assert [point.config for point in points] == [point.config for point in expected]
    assert [point.varying for point in points] == [
        {"tuning": tuning, "seed": seed} for tuning in ("default", "quick") for seed in "12"
    ]
    assert [point.experiment.tuning.epochs for point in points] == [3, 3, 1, 1]


def test_a_point_can_be_had_again_by_its_overrides(tmp_path: Path) -> None:
    text = GRID + "    source.train: [[a.csv, 'it''s \\ b.csv'], ['[c].csv']]\n"
    text += f"paths: {{home: {tmp_path}}}\n"
    points = compose_text(tmp_path, text, "prepare/dedup=none").points
    assert len(points) == 8
    for point in points:
        # Values of the grid are the YAML's: relative to its folder, where this starts.
        os.chdir(tmp_path / "lab")
        (again,) = compose_text(tmp_path, text, *point.overrides).points
        assert again.config == point.config


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (4, ["seed=1,2", "question='a, b','c'", "prepare/dedup=none"]),
        (2, ["tuning={epochs: 1},{epochs: 2}", "tuning.adapter_size=4"]),
        (2, ["tuning.adapter_size=4", "tuning={epochs: 1, adapter_size: 2},{epochs: 2}"]),
        (4, ["source.train=[a.csv],[b.csv,c.csv]", "suite=text,qa", "seed=7"]),
        (8, ["seed=1,2", "tuning=quick,default", "tuning.epochs=5,6"]),
    ],
)
def test_a_job_of_a_sweep_is_what_it_would_be_alone(
    tmp_path: Path, points: int, words: list[str]
) -> None:
    """Jobs share compositions; Hydra composes each of them anew when it is typed alone."""
    swept = compose_text(tmp_path, MINIMAL, "-m", *words).points
    assert len(swept) == points
    for point in swept:
        (alone,) = compose_text(tmp_path, MINIMAL, *point.overrides).points
        assert alone.config == point.config


def test_the_command_line_fixes_a_swept_key(tmp_path: Path) -> None:
    params = MINIMAL + "hydra: {sweeper: {params: {seed: '1,2', tuning.epochs: '1,2'}}}\n"
    for text in (GRID.replace("tuning:", "tuning.epochs:"), params):
        points = compose_text(tmp_path, text.replace("[default, quick]", "[1, 2]"), "seed=9").points
        assert [point.experiment.seed for point in points] == [9, 9]
        assert [point.varying for point in points] == [
            {"tuning.epochs": "1"},
            {"tuning.epochs": "2"},
        ]


def test_only_what_differs_is_varying(tmp_path: Path) -> None:
    text = MINIMAL + "sweep: {grid: {seed: [5], tuning.epochs: [1, 2], baseline.few_shot: [[1]]}}\n"
    points = compose_text(tmp_path, text, "tuning.adapter_size=4").points
    assert [point.varying for point in points] == [{"tuning.epochs": "1"}, {"tuning.epochs": "2"}]
    assert {point.experiment.seed for point in points} == {5}


def test_a_value_added_to_the_grid_changes_no_other_point(tmp_path: Path) -> None:
    one = compose_text(tmp_path, MINIMAL + "sweep: {grid: {seed: [1]}}\n").points[0]
    two = compose_text(tmp_path, MINIMAL + "sweep: {grid: {seed: [1, 2]}}\n").points[0]
    assert one.config == two.config


def test_paths_in_yaml_belong_to_its_folder_typed_ones_to_the_start(
    tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / "lab/weights").mkdir(parents=True)
    text = """\
defaults:
  - override /model: huggingface
model: {name: mine, path: weights}
source:
  train: [a.csv, {path: sub/*.csv, weight: 2}, /abs/b.csv, ~/c.csv, gs://bucket/d.csv]
  validation: ../v.csv
tracking: {uri: sqlite:///mlflow.db}
paths: {home: out}
"""
    config = compose_text(tmp_path, text, "source.test=t(1)=ü.csv").points[0].config
    assert config["source"]["train"] == [
        str(tmp_path / "lab/a.csv"),
        {"path": str(tmp_path / "lab/sub/*.csv"), "weight": 2.0},
        "/abs/b.csv",
        str(Path.home() / "c.csv"),
        "gs://bucket/d.csv",
    ]
    assert config["source"]["validation"] == str(tmp_path / "v.csv")
    assert config["source"]["test"] == str(elsewhere / "t(1)=ü.csv")
    assert config["model"]["path"] == str(tmp_path / "lab/weights")
    assert config["tracking"]["uri"] == f"sqlite:///{elsewhere / 'mlflow.db'}"
    assert config["paths"]["home"] == str(elsewhere / "out")


def test_ids_are_no_paths(tmp_path: Path) -> None:
    text = "defaults:\n  - override /model: huggingface\n  - override /source: hub\n" + (
        "model: {name: m, path: org/model}\nsource: {dataset: org/data, train: train}\n"
    )
    config = compose_text(tmp_path, text).points[0].config
    assert config["model"]["path"] == "org/model"
    assert config["source"]["dataset"] == "org/data"
    assert config["source"]["train"] == "train"


@pytest.mark.parametrize("name", ["my exp (2).v1.yaml", "ü.yml", "a=b,c.yaml", "[x]/exp.yaml"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    text = MINIMAL + "name: mine\n"
    composition = compose_text(tmp_path, text, file=f"lab/{name}")
    assert composition.file.name == Path(name).name
    train = str(composition.points[0].config["source"]["train"])
    assert train == str(composition.file.parent / "data/train.jsonl")


def test_a_users_conf_folder_comes_before_the_packaged_one(tmp_path: Path, elsewhere: Path) -> None:
    write(
        tmp_path,
        {
            "lab/exps/conf/tuning/default.yaml": "epochs: 7\n",
            "lab/conf/tuning/default.yaml": "epochs: 8\n",
            "lab/conf/tuning/slow.yaml": "defaults: [default, _self_]\nadapter_size: 32\n",
            "start/conf/suite/mine.yaml": "name: mine\nmetrics: [{kind: token_f1}]\n"
            "primary: token_f1\n",
        },
    )
    text = MINIMAL.replace("source:", "  - override /tuning: slow\nsource:", 1)
    composition = compose_text(tmp_path, text, "suite=mine", file="lab/exps/exp.yaml")
    experiment = composition.points[0].experiment
    assert (experiment.tuning.epochs, experiment.tuning.adapter_size) == (7, 32)
    assert experiment.suite.name == "mine"
    (shadow,) = composition.shadowed
    assert shadow.user == tmp_path / "lab/exps/conf/tuning/default.yaml"
    assert shadow.packaged.parts[-3:] == ("conf", "tuning", "default.yaml")


def test_a_copy_of_the_packaged_conf_changes_nothing(tmp_path: Path, elsewhere: Path) -> None:
    alone = compose_text(tmp_path / "alone", MINIMAL).points[0].config
    shutil.copytree(packaged_conf(), tmp_path / "checkout/conf")
    copied = compose_text(tmp_path / "checkout", MINIMAL)
    assert copied.shadowed == ()
    assert _without_places(copied.points[0].config) == _without_places(alone)


def test_edits_in_a_copy_of_the_packaged_conf_count_except_in_launch(
    tmp_path: Path, elsewhere: Path
) -> None:
    shutil.copytree(packaged_conf(), tmp_path / "conf")
    for name, key, value in (
        ("tuning/default.yaml", "epochs", "9"),
        ("config.yaml", "seed", "4"),
        ("launch.yaml", "  output_subdir", "elsewhere"),
    ):
        file = tmp_path / "conf" / name
        text, changes = re.subn(rf"(?m)^{key}:.*$", f"{key}: {value}", file.read_text())
        assert changes == 1
        file.write_text(text)
    composition = compose_text(tmp_path, MINIMAL)
    experiment = composition.points[0].experiment
    assert (experiment.tuning.epochs, experiment.seed) == (9, 4)
    shadowing = {shadow.user.relative_to(tmp_path).as_posix() for shadow in composition.shadowed}
    assert shadowing == {"conf/tuning/default.yaml", "conf/config.yaml"}


def _without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("paths", "source")}


def test_an_experiment_can_build_on_one_beside_it(tmp_path: Path) -> None:
    write(tmp_path, {"lab/base.yaml": MINIMAL + "question: why?\ntuning: {epochs: 2}\n"})
    text = "defaults:\n  - base\n  - _self_\ntuning: {adapter_size: 2}\n"
    experiment = compose_text(tmp_path, text).points[0].experiment
    assert experiment.name == "exp"
    assert experiment.question == "why?"
    assert (experiment.tuning.epochs, experiment.tuning.adapter_size) == (2, 2)


def test_debug_beats_the_experiment_and_the_command_line_beats_both(tmp_path: Path) -> None:
    text = MINIMAL.replace("tiny_random", "smollm2_135m") + "tuning: {epochs: 9}\n"
    smoke = compose_text(tmp_path, text, "debug=smoke").points[0].experiment
    assert smoke.model.kind == "random"
    assert smoke.source.limit == 40
    typed = compose_text(tmp_path, text, "debug=smoke", "source.limit=7").points[0].experiment
    assert typed.source.limit == 7


def test_references_between_keys_are_followed(tmp_path: Path) -> None:
    text = MINIMAL + "question: seed ${seed}\nsweep: {grid: {seed: [1, 2]}}\n"
    points = compose_text(tmp_path, text).points
    assert [point.experiment.question for point in points] == ["seed 1", "seed 2"]


def test_what_on_batch_raises_comes_through_as_it_is(tmp_path: Path) -> None:
    class Mine(Exception):
        pass

    def fail(composition: Composition) -> list[float]:
        raise Mine

    write(tmp_path, {"lab/exp.yaml": MINIMAL})
    with pytest.raises(Mine):
        compose(tmp_path / "lab/exp.yaml", [], fail)
    assert compose_text(tmp_path, MINIMAL).points


def test_the_process_is_left_as_it_was(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def state() -> object:
        return list(sys.argv), os.environ.get("HYDRA_FULL_ERROR"), gc.isenabled(), Path.cwd()

    before = state()
    seen: list[object] = []

    def look(composition: Composition) -> list[float]:
        seen.append(state())
        return [0.0]

    write(tmp_path, {"lab/exp.yaml": MINIMAL})
    compose(tmp_path / "lab/exp.yaml", ["seed=3"], look)
    assert seen == [before]
    assert state() == before


def test_hydras_flags_reach_hydra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"lab/exp.yaml": MINIMAL})

    def never(composition: Composition) -> list[float]:
        raise AssertionError("composed points")

    compose(tmp_path / "lab/exp.yaml", ["--cfg", "job", "-p", "tuning", "tuning.epochs=4"], never)
    assert "epochs: 4" in capsys.readouterr().out


def test_importing_the_door_imports_neither_hydra_nor_pydantic() -> None:
    program = "import runner.compose, sys; print({'hydra', 'pydantic', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
