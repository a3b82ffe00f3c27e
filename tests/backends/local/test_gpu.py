"""Tuning and answers on a GPU, in bfloat16; where there is none, these are skipped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra local is not installed")

import torch

from runner.backends.local.backend import LocalBackend
from runner.backends.local.fork_server import ForkedProcess
from runner.backends.local.loss import shares
from runner.backends.local.train import build
from runner.records import Generation
from tests.backends.local import making
from tests.backends.local.test_trainer import spec, sums_and_gradients

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]

Make = Callable[..., LocalBackend]


def test_a_job_on_the_gpu(make_backend: Make, tmp_path: Path) -> None:
    """In bfloat16, by a forked worker, with beginnings shared; and it learns."""
    backend = make_backend(device="cuda")
    job = making.make_job(tmp_path / "data", epochs=3)
    backend.submit(job)
    assert isinstance(backend._workers["job"].process, ForkedProcess)
    status = making.wait(backend, "job")
    assert status.state == "succeeded", status
    result = backend.result("job")
    resolved = result.resolved
    assert (resolved["device"], resolved["precision"]) == ("cuda", "bfloat16")
    assert (resolved["loss_path"], resolved["shared_beginnings"]) == ("lean", True)
    losses = [point.value for point in result.curves if point.name == "eval_total_loss"]
    assert losses[-1] < losses[0] - 0.1
    answers = list(
        backend.generate(
            result.checkpoints[-1], [making.request(n) for n in range(5)], Generation(max_tokens=8)
        )
    )
    assert sorted(answer.id for answer in answers) == [f"t{n}" for n in range(5)]
    assert all(answer.text and not answer.error for answer in answers)


def test_a_killed_job_goes_on_to_the_same_bits(make_backend: Make, tmp_path: Path) -> None:
    backend = make_backend(device="cuda")
    whole, cut = (making.make_job(tmp_path / "data", label, epochs=2) for label in ("whole", "cut"))
    backend.submit(whole)
    assert making.wait(backend, "whole").state == "succeeded"
    backend.submit(cut)
    making.wait(backend, "cut", lambda status: status.step >= 4)
    os.kill(backend._workers["cut"].process.pid, signal.SIGKILL)
    assert making.wait(backend, "cut", lambda s: s.state != "running").state == "interrupted"
    backend.submit(cut)
    assert making.wait(backend, "cut").state == "succeeded"
    assert making.curves(backend, "cut") == making.curves(backend, "whole")


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_loss_is_trls(tiny: Path, tmp_path: Path, checkpointing: bool) -> None:
    """Within bfloat16's rounding; recomputing activations takes TRL's path by itself."""
    given = spec(tmp_path / "data", tiny, device="cuda", gradient_checkpointing=checkpointing)
    trainer = build(given, tmp_path / "checkpoints")
    assert trainer.lean is trainer.shares is (not checkpointing)
    inputs = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainer.model.train()
    losses = []
    for lean in {trainer.lean, False}:
        trainer.lean = lean
        losses.append(trainer.compute_loss(trainer.model, dict(inputs)).item())
    assert losses == pytest.approx([losses[0]] * len(losses), rel=2e-2)


def test_sharing_is_exact_on_the_gpu() -> None:
    """In float32, as on the CPU."""
    from tests.backends.local.test_trainer import HEADS, of_family

    model = of_family("LlamaConfig", **HEADS).cuda()
    assert shares(model)
    (shared, ours), (plain, theirs) = (sums_and_gradients(model, share) for share in (True, False))
    assert shared == pytest.approx(plain, rel=1e-5)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-4
