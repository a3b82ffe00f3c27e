"""The job folder: curves that survive torn writes, states, locks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runner.backends.local.jobs import JobFolder, State, Trained
from runner.records import Checkpoint, CurvePoint

CHECKPOINT = Checkpoint("1", 1.0, 3, "there", 0.5)
TRAINED = Trained((CHECKPOINT,), 24, 480, 1.5, {"learning_rate": 0.003})


def points(steps: int) -> list[CurvePoint]:
    return [CurvePoint("train_total_loss", step, 0.5 / step, 17, 0.1) for step in range(1, steps)]


@given(cut=st.integers(0, 2000))
def test_torn_curves_keep_every_whole_point(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = JobFolder(Path(folder))
        for point in points(12):
            job.append_metrics([point])
        file = Path(folder, "metrics.jsonl")
        data = file.read_bytes()
        file.write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        assert job.metrics() == points(12)[:whole]
        job.keep_metrics_until(5)
        assert job.metrics() == [p for p in points(12)[:whole] if p.step <= 5]
        job.append_metrics([CurvePoint("x", 6, 1.0, 1)])
        assert job.metrics()[-1].name == "x"


def test_state_comes_back(tmp_path: Path) -> None:
    job = JobFolder(tmp_path)
    assert not job.exists()
    state = State("running", 3, 9, "epoch 1/3", seconds=1.5, pid=7, result=TRAINED)
    job.write_state(state)
    assert job.exists()
    assert job.read_state() == state


def test_lock_is_for_one(tmp_path: Path) -> None:
    job, other = JobFolder(tmp_path), JobFolder(tmp_path)
    assert not job.locked()
    handle = job.lock()
    assert handle is not None
    assert other.locked()
    assert other.lock() is None
    os.close(handle)
    assert not other.locked()


def test_lock_lives_as_long_as_the_process_that_inherited_it(tmp_path: Path) -> None:
    job = JobFolder(tmp_path)
    handle = job.lock()
    assert handle is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[handle]
    )
    os.close(handle)
    assert job.locked()
    child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    assert not job.locked()
