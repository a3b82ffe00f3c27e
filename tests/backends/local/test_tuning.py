"""Tuning jobs through the backend's door: curves, resume, locks, failures."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.backends.local.backend import LocalBackend
from runner.base.errors import BackendError
from runner.records import read_jsonl
from tests.backends.local import making
from tests.backends.local.conftest import Trained

Make = Callable[..., LocalBackend]
SIDES = ("total_loss", "fraction_of_correct_next_step_preds", "num_predictions")


def test_curves_have_every_step_and_every_epoch_once(trained: Trained) -> None:
    points = trained.result.curves
    steps = {f"train_{name}": [1, 2, 3, 4, 5, 6] for name in SIDES}
    steps |= {f"eval_{name}": [0, 3, 6] for name in SIDES}
    found: dict[str, list[int]] = {}
    for point in points:
        found.setdefault(point.name, []).append(point.step)
    assert found == steps
    assert all(math.isfinite(point.value) for point in points)
    assert [point.time_ms for point in points] == sorted(point.time_ms for point in points)


def test_predictions_are_counted_in_tokens(trained: Trained) -> None:
    rows = list(read_jsonl(trained.job.validation))
    # The tiny tokenizer has one token a byte; the end of turn and its newline are learned, too.
    expected = sum(len(row["target"]) + 2 for row in rows)
    counts = {p.value for p in trained.result.curves if p.name == "eval_num_predictions"}
    assert counts == {expected}
    per_step = [p.value for p in trained.result.curves if p.name == "train_num_predictions"]
    train = sum(len(row["target"]) + 2 for row in read_jsonl(trained.job.train))
    assert sum(per_step[:3]) == sum(per_step[3:]) == train


def test_it_learns(trained: Trained) -> None:
    losses = [p.value for p in trained.result.curves if p.name == "eval_total_loss"]
    assert losses[-1] < losses[0]


def test_checkpoints_are_one_an_epoch_with_their_loss(trained: Trained) -> None:
    checkpoints = trained.result.checkpoints
    assert [(c.id, c.epoch, c.step) for c in checkpoints] == [("1", 1.0, 3), ("2", 2.0, 6)]
    losses = [p.value for p in trained.result.curves if p.name == "eval_total_loss"][1:]
    assert [c.eval_loss for c in checkpoints] == losses
    for checkpoint in checkpoints:
        files = {path.name for path in Path(checkpoint.path).iterdir()}
        assert "adapter_model.safetensors" in files
        assert "optimizer.pt" not in files  # only resuming needs it, and the job is over


def test_result_says_what_was_used(trained: Trained) -> None:
    resolved = trained.result.resolved
    assert resolved["learning_rate"] == pytest.approx(3e-2)
    assert resolved["adapter_rank"] == 8
    assert resolved["adapter_alpha"] == 16
    assert resolved["steps"] == 6
    assert trained.result.train_examples == 24
    assert trained.result.seconds > 0
    json.dumps(dict(resolved))


def test_same_job_gives_the_same_bits(trained: Trained, make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    backend.submit(making.make_job(tmp_path / "data"))
    making.wait(backend, "job")
    assert making.curves(backend, "job") == making.curves(trained.backend, "job")


def test_other_seed_gives_other_bits(trained: Trained, make_backend: Make, tmp_path: Path) -> None:
    from dataclasses import replace

    backend = make_backend()
    backend.submit(replace(making.make_job(tmp_path / "data"), seed=4))
    making.wait(backend, "job")
    assert making.curves(backend, "job") != making.curves(trained.backend, "job")


def test_killed_worker_resumes_to_the_same_bits(
    trained: Trained, make_backend: Make, tmp_path: Path
) -> None:
    """Killed after the first checkpoint, with the newest checkpoint torn on top."""
    backend = make_backend()
    job = making.make_job(tmp_path / "data")
    backend.submit(job)
    making.wait(backend, "job", lambda status: status.step >= 3)
    os.kill(_pid(backend), signal.SIGKILL)
    status = making.wait(backend, "job", lambda status: status.state == "interrupted")
    assert "SIGKILL" in status.error
    torn = Path(backend.jobs, "job", "checkpoints", "checkpoint-5")
    torn.mkdir(parents=True)
    (torn / "adapter_model.safetensors").write_bytes(b"half")

    backend.submit(job)
    assert making.wait(backend, "job").state == "succeeded"
    assert making.curves(backend, "job") == making.curves(trained.backend, "job")
    assert [c.step for c in backend.result("job").checkpoints] == [3, 6]


def test_second_runner_watches_instead_of_training(make_backend: Make, tmp_path: Path) -> None:
    first, second = make_backend(), make_backend()
    job = making.make_job(tmp_path / "data")
    first.submit(job)
    second.submit(job)
    assert not second._workers
    assert making.wait(second, "job").state == "succeeded"
    assert second.result("job").curves == first.result("job").curves


def test_worker_ends_with_its_runner(models: Path, tmp_path: Path) -> None:
    """`kill -9` of the runner takes the worker along; another runner finishes the job."""
    job = making.make_job(tmp_path / "data", epochs=50)
    script = (
        "import sys, time; from pathlib import Path; from tests.backends.local import making;"
        "from runner.backends.local.backend import LocalBackend;"
        f"b = LocalBackend(making.experiment(Path({str(models)!r})), Path({str(tmp_path)!r}));"
        f"b.submit(making.make_job(Path({str(tmp_path / 'data')!r}), epochs=50));"
        "print('up', flush=True); time.sleep(600)"
    )
    runner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"up\n"
    backend = LocalBackend(making.experiment(models), tmp_path)
    making.wait(backend, job.label, lambda status: status.step >= 1)
    runner.kill()
    runner.wait()
    runner.stdout.close()
    # The kernel lets go of the lock only when the worker is gone.
    making.wait(backend, job.label, lambda status: status.state == "interrupted", seconds=30)


def test_cancel_stops_and_submit_goes_on(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    job = making.make_job(tmp_path / "data", epochs=60)
    backend.submit(job)
    making.wait(backend, "job", lambda status: status.step >= 4)
    backend.cancel("job")
    status = backend.find("job")
    assert status is not None
    assert status.state == "cancelled"
    kept = len(backend.metrics("job"))
    assert kept
    backend.submit(job)
    making.wait(backend, "job", lambda status: status.step > 4)
    backend.cancel("job")


def test_cancel_before_the_first_step(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    backend.submit(making.make_job(tmp_path / "data"))
    backend.cancel("job")
    status = backend.find("job")
    assert status is not None
    assert status.state == "cancelled"


def test_rows_longer_than_the_context_fail_by_name(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    job = making.make_job(tmp_path / "data")
    long = making.example(7)
    row = long.to_json() | {"target": "x" * 2000}
    job.train.write_text(json.dumps(row) + "\n", encoding="utf-8")
    backend.submit(job)
    status = making.wait(backend, "job")
    assert status.state == "failed"
    assert "t7 (2" in status.error
    assert "model.context_tokens=1024" in status.error
    assert Path(status.log).is_file()
    with pytest.raises(BackendError, match="has not succeeded"):
        backend.result("job")


def test_diverged_loss_is_named(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    backend.submit(making.make_job(tmp_path / "data", learning_rate_multiplier=1e12))
    status = making.wait(backend, "job")
    assert status.state == "failed"
    assert "learning_rate_multiplier" in status.error


def test_crashed_worker_is_a_failed_job(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    backend.submit(making.make_job(tmp_path / "data", epochs=50))
    making.wait(backend, "job", lambda status: status.step >= 1)
    os.kill(_pid(backend), signal.SIGSEGV)
    status = making.wait(backend, "job")
    assert status.state == "failed"
    assert "SIGSEGV" in status.error


def test_time_is_estimated_after_a_probe(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    backend.submit(making.make_job(tmp_path / "data", epochs=60))
    status = making.wait(backend, "job", lambda status: status.step >= 3)
    assert status.total_steps == 180
    assert " s a step, " in status.note
    assert status.note.endswith(" left")
    backend.cancel("job")


def test_jobs_of_one_home_take_turns(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend()
    first = making.make_job(tmp_path / "a", label="first", epochs=60)
    backend.submit(first)
    making.wait(backend, "first", lambda status: status.step >= 1)
    backend.submit(making.make_job(tmp_path / "b", label="second"))
    time.sleep(0.5)
    waiting = backend.find("second")
    assert waiting is not None
    assert waiting.state == "queued"
    backend.cancel("first")
    assert making.wait(backend, "second").state == "succeeded"


def test_few_steps_and_upper_layers(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend(max_steps=4, upper_layers=1, gradient_accumulation=2, batch_size=4)
    backend.submit(making.make_job(tmp_path / "data"))
    assert making.wait(backend, "job").state == "succeeded"
    result = backend.result("job")
    steps = [p.step for p in result.curves if p.name == "train_total_loss"]
    assert steps == [1, 2, 3, 4]
    assert [c.step for c in result.checkpoints] == [3, 4]
    assert result.resolved["adapted_layers"] == 1
    assert result.resolved["batch_size"] == 8


def test_without_validation_there_is_no_eval_curve(make_backend: Make, tmp_path: Path) -> None:
    from dataclasses import replace

    backend = make_backend()
    backend.submit(replace(making.make_job(tmp_path / "data", epochs=1), validation=None))
    assert making.wait(backend, "job").state == "succeeded"
    result = backend.result("job")
    assert {point.name.partition("_")[0] for point in result.curves} == {"train"}
    assert math.isnan(result.checkpoints[0].eval_loss)


def test_unknown_job_is_none(make_backend: Make) -> None:
    assert make_backend().find("never") is None


def _pid(backend: LocalBackend) -> int:
    state = json.loads((backend.jobs / "job" / "state.json").read_text())
    assert state["pid"]
    return int(state["pid"])
