"""Which checkpoint folders count: whole ones, however others were torn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from runner.backends.local.progress import MARKER, seal, sealed, sweep_torn, thin

FILES = {
    "adapter_model.safetensors": b"adapter" * 9,
    "adapter_config.json": b"{}",
    "optimizer.pt": b"optimizer" * 9,
    "rng_state.pth": b"random",
    "trainer_state.json": b"{}",
}


def make(checkpoints: Path, step: int) -> Path:
    folder = checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    seal(folder, step, step / 4, 0.25)
    return folder


@pytest.mark.parametrize("name", [*FILES, MARKER])
@pytest.mark.parametrize("how", ["missing", "short"])
def test_torn_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, name: str, how: str
) -> None:
    older, newest = make(tmp_path, 4), make(tmp_path, 8)
    file = newest / name
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    found = sweep_torn(tmp_path)
    assert found is not None
    assert found.path == older
    assert not newest.exists()


def test_whole_ones_are_listed_by_step(tmp_path: Path) -> None:
    make(tmp_path, 12)
    make(tmp_path, 4)
    found = sealed(tmp_path)
    assert [(saved.step, saved.epoch, saved.eval_loss) for saved in found] == [
        (4, 1.0, 0.25),
        (12, 3.0, 0.25),
    ]
    newest = sweep_torn(tmp_path)
    assert newest is not None
    assert newest.step == 12


def test_nothing_to_resume_from(tmp_path: Path) -> None:
    assert sweep_torn(tmp_path) is None
    (tmp_path / "checkpoint-3").mkdir()
    assert sweep_torn(tmp_path) is None
    assert not (tmp_path / "checkpoint-3").exists()


def test_thin_keeps_adapters(tmp_path: Path) -> None:
    for step in (4, 8, 12):
        make(tmp_path, step)
    thin(tmp_path, keep=1)
    assert [saved.step for saved in sealed(tmp_path)] == [4, 8, 12]
    assert not (tmp_path / "checkpoint-8" / "optimizer.pt").exists()
    assert (tmp_path / "checkpoint-12" / "optimizer.pt").exists()
    newest = sweep_torn(tmp_path)
    assert newest is not None
    assert newest.step == 12
    thin(tmp_path, keep=0)
    assert sweep_torn(tmp_path) is None
    assert sealed(tmp_path) == []


def test_no_validation_set(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    seal(folder, 1, 1.0, math.nan)
    assert math.isnan(sealed(tmp_path)[0].eval_loss)
