"""Curves as event files, read back with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli import main
from runner.records import CurvePoint, TuningResult
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, CheckpointScores, Score, Scores
from runner.store.ledger import Ledger

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
NAN = float("nan")
CURVES = (
    CurvePoint("train_total_loss", 1, 2.5, 1_700_000_000_123),
    CurvePoint("eval_total_loss", 1, 2.75, 1_700_000_000_200),
    CurvePoint("train_total_loss", 2, 1.25, 1_700_000_001_000),
)


def validation(value: float) -> Scores:
    score = Score(value=value, low=0, high=1, n=4)
    return Scores(split="validation", rows=4, overall={"exact_match": score})


def tuned(name: str, digest: str) -> ArmResult:
    tuning = TuningResult((), CURVES, 8, 100, 5.0, {})
    checkpoints = [
        CheckpointScores(
            id=str(step),
            epoch=step,
            step=step,
            eval_loss=NAN,
            path="x",
            validation=validation(value),
        )
        for step, value in ((1, 0.5), (2, NAN))
    ]
    return ArmResult(digest=digest, name=name, kind="tuned", tuning=tuning, checkpoints=checkpoints)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    arms = [
        ArmResult(digest="a" * 24, name="zero-shot", kind="zero_shot"),
        tuned("80 rows · lr 1.5", "b" * 24),
        tuned("../../out", "c" * 24),
    ]
    Ledger(tmp_path / "runs").begin(
        ExperimentResult(name="curves", digest="e1", arms=arms, started_ms=1)
    )
    return tmp_path / "runs"


def read(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    events = accumulators.EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, event.value, event.wall_time) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def export(home: Path, *words: str) -> int:
    return main(["export", "curves", "--home", str(home), *words])


def test_every_curve_point_comes_back_at_its_step_and_time(home: Path, tmp_path: Path) -> None:
    assert export(home, "--tensorboard", str(tmp_path / "tb")) == 0
    found = read(tmp_path / "tb" / "curves" / "80_rows_lr_1.5-bbbbbb")
    assert found == {
        "train_total_loss": [(1, 2.5, 1_700_000_000.123), (2, 1.25, 1_700_000_001.0)],
        "eval_total_loss": [(1, 2.75, 1_700_000_000.2)],
        "validation/exact_match": [(1, 0.5, 1_700_000_000.2)],
    }


def test_writing_again_replaces_our_files_and_leaves_others(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tb" / "curves" / "80_rows_lr_1.5-bbbbbb"
    export(home, "--tensorboard", str(tmp_path / "tb"))
    before = read(folder)
    (folder / "notes.txt").write_text("mine")
    export(home, "--tensorboard", str(tmp_path / "tb"))
    assert read(folder) == before
    assert sorted(path.suffix for path in folder.iterdir()) == [".sft", ".txt"]


def test_a_hostile_name_stays_inside_the_folder(home: Path, tmp_path: Path) -> None:
    export(home, "--tensorboard", str(tmp_path / "tb"), "--arm", "../../out")
    files = list(tmp_path.rglob("events.*"))
    assert len(files) == 1
    assert tmp_path / "tb" / "curves" in files[0].parents


def test_an_unknown_arm_is_answered_with_the_names(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(home, "--tensorboard", str(tmp_path / "tb"), "--arm", "90 rows") == 2
    assert "'80 rows · lr 1.5'" in capsys.readouterr().err
    assert export(home, "--tensorboard", str(tmp_path / "tb"), "--arm", "zero-shot") == 2
    assert "no arm was tuned" in capsys.readouterr().err
