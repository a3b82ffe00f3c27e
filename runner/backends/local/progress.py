"""Watches a training run and writes down what the host reads: curves, progress, checkpoints."""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from runner.backends.local.jobs import JobFolder, State
from runner.backends.local.process import Cancelled, LossDiverged
from runner.base.digests import damage_of, facts_of
from runner.base.files import replace_text
from runner.records import CurvePoint

if TYPE_CHECKING:
    from runner.backends.local.trainer import ExactTrainer

PROBE_STEPS = 2
"""Steps after which the remaining time is estimated."""
RECENT_STEPS = 20
RESUMABLE = 2
"""Newest checkpoints that keep their optimiser state."""


class Recorder(TrainerCallback):  # type: ignore[misc]
    """One per run. Only the main process writes."""

    def __init__(self, job: JobFolder, state: State, writes: bool, cancelled: Event) -> None:
        self.job = job
        self.state = state
        self.writes = writes
        self.trainer: ExactTrainer | None = None
        self.cancelled = cancelled
        self._before = state.seconds
        self._started = self._last = time.monotonic()
        self._paces: deque[float] = deque(maxlen=RECENT_STEPS)
        self._eval_loss = math.nan

    # --- what the trainer calls -------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._last = time.monotonic()
        self._report(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        assert self.trainer is not None
        loss, share, count = self.trainer.take_window()
        if not math.isfinite(loss):
            raise LossDiverged(state.global_step)
        self._points("train", state, loss, share, count)
        now = time.monotonic()
        self._paces.append(now - self._last)
        self._last = now
        self._report(state)
        if self.cancelled.is_set():
            raise Cancelled("cancelled")

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **rest: Any
    ) -> None:
        self._eval_loss = metrics["eval_loss"]
        if metrics["eval_predictions"]:
            if not math.isfinite(self._eval_loss):
                raise LossDiverged(state.global_step)
            counts = (metrics["eval_share"], int(metrics["eval_predictions"]))
            self._points("eval", state, self._eval_loss, *counts)
        self._last = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        assert self.trainer is not None
        self.trainer.accelerator.wait_for_everyone()
        if self.writes:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            seal(folder, state.global_step, _epoch(state), self._eval_loss)
            thin(self.job.checkpoints, RESUMABLE)
        self._last = time.monotonic()

    # --- what the host reads ----------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Training time so far, earlier attempts included."""
        return self._before + time.monotonic() - self._started

    def _points(self, side: str, state: Any, loss: float, share: float, count: int) -> None:
        """Vertex's three metrics at one step."""
        if not self.writes:
            return
        now = time.time_ns() // 1_000_000
        values = {
            f"{side}_total_loss": loss,
            f"{side}_fraction_of_correct_next_step_preds": share,
            f"{side}_num_predictions": float(count),
        }
        self.job.append_metrics(
            CurvePoint(name, state.global_step, value, now, _epoch(state))
            for name, value in values.items()
        )

    def _report(self, state: Any) -> None:
        if not self.writes:
            return
        self.state.state = "running"
        self.state.step = state.global_step
        self.state.total_steps = state.max_steps
        self.state.seconds = self.seconds
        self.state.note = self._note(state)
        self.job.write_state(self.state)

    def _note(self, state: Any) -> str:
        total = math.ceil(state.num_train_epochs)
        note = f"epoch {min(math.floor(_epoch(state)) + 1, total)}/{total}"
        if len(self._paces) < PROBE_STEPS:
            return f"{note}, measuring the pace"
        pace = statistics.median(self._paces)
        left = pace * (state.max_steps - state.global_step)
        return f"{note}, {pace:.2g} s a step, {_duration(left)} left"


def _epoch(state: Any) -> float:
    return float(state.epoch or 0.0)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# Checkpoints on disk: which ones are whole, which one to resume from.
#
# The trainer writes a checkpoint's files in place, so a kill can leave a torn folder. Once all
# files are there, `seal` adds a marker with every file's size and digest; a folder without a
# marker, or whose files do not match it, is not a checkpoint.

MARKER = "complete.json"
RESUME_ONLY = ("optimizer.pt", "scheduler.pt", "training_args.bin")
"""Files that only resuming needs (and every ``rng_state*``)."""


@dataclass(frozen=True, slots=True)
class SealedCheckpoint:
    """A sealed checkpoint: `eval_loss` is nan without a validation set."""

    path: Path
    step: int
    epoch: float
    eval_loss: float


def seal(folder: Path, step: int, epoch: float, eval_loss: float) -> None:
    """Declare the folder whole. Its files reach the disk before the marker does."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER]
    for path in files:
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    facts = {name: fact for name, fact in facts_of(folder).items() if name != MARKER}
    marker = {"step": step, "epoch": epoch, "eval_loss": eval_loss, "files": facts}
    replace_text(folder / MARKER, json.dumps(marker, indent=1))


def sealed(checkpoints: Path) -> list[SealedCheckpoint]:
    """The checkpoints whose adapter is whole, by step."""
    found = [_read(folder, resume=False) for folder in checkpoints.glob("checkpoint-*")]
    return sorted((saved for saved in found if saved), key=lambda saved: saved.step)


def sweep_torn(checkpoints: Path) -> SealedCheckpoint | None:
    """Delete what cannot be resumed from and came after the newest that can; return that one.

    Older checkpoints stay as long as their adapter is whole.
    """
    newest: SealedCheckpoint | None = None
    for folder in checkpoints.glob("checkpoint-*"):
        saved = _read(folder, resume=True)
        if saved and (newest is None or saved.step > newest.step):
            newest = saved
    for folder in list(checkpoints.glob("checkpoint-*")):
        adapter = _read(folder, resume=False)
        if adapter is None or newest is None or adapter.step > newest.step:
            shutil.rmtree(folder)
    return newest


def thin(checkpoints: Path, keep: int) -> None:
    """Drop the resume-only files (two thirds of the size) of all but the newest `keep`."""
    for saved in sealed(checkpoints)[: -keep or None]:
        for path in saved.path.iterdir():
            if _resume_only(path.name):
                path.unlink()


def _read(folder: Path, *, resume: bool) -> SealedCheckpoint | None:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        facts = {
            # An older version kept sizes only.
            name: (fact, "") if isinstance(fact, int) else (fact[0], fact[1])
            for name, fact in marker["files"].items()
        }
        saved = SealedCheckpoint(folder, marker["step"], marker["epoch"], marker["eval_loss"])
    except (FileNotFoundError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    wanted = {name: fact for name, fact in facts.items() if resume or not _resume_only(name)}
    return None if damage_of(folder, wanted, contents=True) else saved


def _resume_only(name: str) -> bool:
    return name in RESUME_ONLY or name.startswith("rng_state")
