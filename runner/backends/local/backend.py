"""The local backend's host side: tuning jobs and answers from worker processes; no torch here."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from runner.backends.local.chat import Chat
from runner.backends.local.generate import Generator
from runner.backends.local.jobs import JobFolder, State
from runner.backends.local.process import TRAIN_NEEDS, Worker, missing, require, start_server
from runner.backends.local.rows import TrainSpec
from runner.backends.local.weights import Weights
from runner.backends.protocol import JobState, JobStatus, TuningJob
from runner.base.digests import tree_damage
from runner.base.errors import BackendError, SftError
from runner.config import Experiment, GeminiModel
from runner.config import LocalBackendSettings as Settings
from runner.records import (
    Checkpoint,
    CurvePoint,
    Example,
    Generation,
    Prediction,
    Progress,
    Request,
    TuningResult,
    quiet,
)

CANCEL_SECONDS = 30.0
CANCEL_POLL = 0.05
DYING_SECONDS = 5.0
SHORTEST_LOOK, LONGEST_LOOK, LOOKS = 0.02, 0.25, 20
"""Seconds between two looks at a job, and a share of the time it has taken: what is over soon is
noticed soon, and what takes long is not disturbed."""


class LocalBackend:
    """LoRA tuning and generation with a small open model on this machine.

    Nothing heavy happens before the first call that needs it. Safe to use from threads.
    """

    def __init__(self, experiment: Experiment, home: Path) -> None:
        assert isinstance(experiment.backend, Settings)
        self.settings = experiment.backend
        assert not isinstance(experiment.model, GeminiModel)
        self.model = experiment.model
        self.weights = Weights.of(experiment)
        self.jobs = home.expanduser().resolve() / "jobs"
        self._workers: dict[str, Worker] = {}

    # --- what it is ------------------------------------------------------------------------

    @cached_property
    def device(self) -> Device:
        return resolve(self.settings.device)

    @property
    def threads(self) -> int:
        return self.settings.threads or cores()

    @property
    def processes(self) -> int:
        """Training processes: as many devices as share a batch evenly."""
        fitting = range(self.device.count, 0, -1)
        return next(count for count in fitting if self.settings.batch_size % count == 0)

    def identity(self) -> dict[str, object]:
        """Weights, tokenizer, precision, device, threads and versions that shape results."""
        return identity(
            self.weights.digest(),
            self.model.context_tokens,
            self.device,
            self.processes,
            self.threads,
        )

    def setup(self, progress: Progress) -> None:
        """Fetch and convert the weights. Raises MissingExtraError without the extra `local`."""
        require(TRAIN_NEEDS, "The local backend")
        self.weights.folder(progress)

    def warm_up(self) -> None:
        """Import in the background what workers need."""
        if not missing(TRAIN_NEEDS):
            Thread(target=start_server, args=(self.threads,), daemon=True).start()

    @cached_property
    def _folder(self) -> Path:
        return self.weights.folder(quiet)

    @cached_property
    def _chat(self) -> Chat:
        return Chat(self._folder)

    def count_tokens(self, examples: Sequence[Example]) -> list[tuple[int, int]] | None:
        """Exact counts in the model's chat template; None without the extra `local`."""
        if missing(TRAIN_NEEDS):
            return None
        return list(self._chat.counts(examples))

    # --- tuning ----------------------------------------------------------------------------

    def submit(self, job: TuningJob) -> None:
        """Start or resume the job; when some runner's worker has it already, just return."""
        require(TRAIN_NEEDS, "Tuning on this machine")
        folder = self._job(job.label)
        folder.path.mkdir(parents=True, exist_ok=True)
        handle = folder.lock()
        if handle is None:
            return
        try:
            if self._succeeded(folder):
                return
            state = folder.read_state() if folder.exists() else State()
            self._spec(job).write(folder.spec)
            folder.write_state(State(seconds=state.seconds, note="starting"))
            self._drop(job.label)
            self._workers[job.label] = Worker(
                "runner.backends.local.train_worker",
                [str(folder.path)],
                log=folder.log,
                threads=self.threads,
                inherit=[handle],
            )
        finally:
            os.close(handle)  # the worker's copy keeps the lock

    def find(self, label: str) -> JobStatus | None:
        """The job's status; `interrupted` when its worker is gone without having ended it."""
        folder = self._job(label)
        alive = folder.locked()  # before the state: a worker ends its job, then dies
        if not folder.exists():
            return None
        try:
            state = folder.read_state()
        except SftError as damaged:
            # A worker that lives writes the file anew; else submitting again sets it aside.
            now: JobState = "queued" if alive else "interrupted"
            return JobStatus(now, error=str(damaged), log=str(folder.log))
        status, error = state.state, state.error
        if status in ("queued", "running") and not alive and not folder.locked():
            status, error = self._lost(label)
        if status == "succeeded" and (fault := folder.damage()):
            status, error = "interrupted", fault
        return JobStatus(
            status,
            state.step,
            state.total_steps,
            state.note,
            error,
            log=str(folder.log),
            next_look=min(LONGEST_LOOK, max(SHORTEST_LOOK, state.seconds / LOOKS)),
        )

    def metrics(self, label: str) -> list[CurvePoint]:
        return self._job(label).metrics()

    def result(self, label: str) -> TuningResult:
        """What a succeeded job left. Raises BackendError for any other job."""
        folder = self._job(label)
        state = folder.read_state() if folder.exists() else State()
        if state.state != "succeeded" or state.result is None:
            raise BackendError(f"tuning job {label} has not succeeded", log=str(folder.log))
        self._drop(label)
        left = state.result
        return TuningResult(
            left.checkpoints,
            tuple(folder.metrics()),
            left.train_examples,
            left.train_tokens,
            left.seconds,
            left.resolved,
        )

    def cancel(self, label: str) -> None:
        """Ask the worker to stop after its current step; end it when it does not listen."""
        folder = self._job(label)
        deadline = time.monotonic() + CANCEL_SECONDS
        while folder.locked() and time.monotonic() < deadline:
            if pid := folder.read_state().pid:
                os.kill(pid, signal.SIGTERM)
            time.sleep(CANCEL_POLL)
        self._drop(label)
        if (status := self.find(label)) and status.state in ("interrupted", "failed"):
            # It had not come as far as listening.
            state = folder.read_state()
            state.state, state.error = "cancelled", ""
            folder.write_state(state)

    def _succeeded(self, folder: JobFolder) -> bool:
        """Whether the job is done and whole. What is damaged is set aside. The caller holds the
        job's lock."""
        if not folder.exists():
            return False
        if folder.damage():
            folder.set_aside()
            return False
        return folder.read_state().state == "succeeded"

    def _job(self, label: str) -> JobFolder:
        return JobFolder(self.jobs / label)

    def _drop(self, label: str) -> None:
        if worker := self._workers.pop(label, None):
            worker.stop()

    def _lost(self, label: str) -> tuple[Any, str]:
        """A job whose worker is gone: crashed when we saw it crash, else interrupted."""
        worker = self._workers.get(label)
        if worker:
            # The lock goes with the process's files, a moment before it can be waited for.
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(DYING_SECONDS)
        note = worker.exit_note() if worker else ""
        crashed = bool(worker and worker.process.returncode not in (-signal.SIGKILL, 0, None))
        return ("failed" if crashed else "interrupted"), note or "its process is gone"

    def _spec(self, job: TuningJob) -> TrainSpec:
        settings, tuning = self.settings, job.tuning
        # The schema lets only Vertex AI choose these.
        assert tuning.epochs
        assert tuning.learning_rate_multiplier
        assert tuning.adapter_size
        return TrainSpec(
            label=job.label,
            model=str(self._folder),
            train=str(job.train.resolve()),
            validation=str(job.validation.resolve()) if job.validation else None,
            context_tokens=self.model.context_tokens,
            epochs=tuning.epochs,
            learning_rate=tuning.learning_rate_multiplier * self.model.base_learning_rate,
            rank=tuning.adapter_size,
            alpha=settings.lora_alpha,
            dropout=settings.lora_dropout,
            upper_layers=settings.upper_layers,
            batch_size=settings.batch_size,
            accumulation=settings.gradient_accumulation,
            schedule=settings.schedule,
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
            gradient_checkpointing=settings.gradient_checkpointing,
            max_steps=settings.max_steps,
            seed=job.seed,
            device=self.device.kind,
            processes=self.processes,
            threads=self.threads,
        )

    # --- answers ---------------------------------------------------------------------------

    @cached_property
    def _generator(self) -> Generator:
        return Generator(
            folder=self._folder,
            context_tokens=self.model.context_tokens,
            device=self.device.kind,
            threads=self.threads,
            batch=self.settings.generation_batch,
            jobs=self.jobs,
        )

    def generate(
        self,
        checkpoint: Checkpoint | None,
        requests: Sequence[Request],
        generation: Generation,
    ) -> Iterator[Prediction]:
        """Answers as they come, shortest prompts first. Raises BackendError, also for a
        checkpoint that is not what tuning left."""
        if checkpoint and (fault := tree_damage(Path(checkpoint.path), checkpoint.digest)):
            raise BackendError(
                f"checkpoint {checkpoint.id} is damaged: {fault}\n"
                "  give the same command again: the model is then tuned anew",
                log=str(self._generator.log),
            )
        return self._generator.answer(checkpoint, requests, generation)

    def close(self) -> None:
        """End all workers. A tuning job that was running can be resumed."""
        for label in list(self._workers):
            self._drop(label)
        if "_generator" in self.__dict__:
            self._generator.close()


# What about this backend determines results; part of every tuning and prediction digest.

LOCAL_VERSION = "1"
"""Raise it when training or generation here gives other numbers than before."""
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")


def identity(
    weights: str, context_tokens: int, device: Device, processes: int, threads: int
) -> dict[str, object]:
    """JSON-ready facts; loads nothing. Threads matter: sums are split among them."""
    return {
        "kind": "local",
        "code": LOCAL_VERSION,
        "weights": weights,
        "tokenizer": weights,
        "context_tokens": context_tokens,
        "device": device.kind,
        "precision": "bfloat16" if device.kind == "cuda" else "float32",
        "processes": processes,
        "threads": threads,
        "versions": {package: _version(package) for package in PACKAGES},
    }


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


# Where work runs, decided without importing torch.

_GPUS = Path("/proc/driver/nvidia/gpus")
_DEVICES = Path("/dev")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Device:
    """`kind` is torch's device type; `count` how many of them there are."""

    kind: Literal["cpu", "cuda"]
    count: int


def resolve(wanted: Literal["auto", "cpu", "cuda"]) -> Device:
    """The device to use. Raises BackendError when CUDA is asked for and there is none."""
    count = _cuda_devices() if wanted != "cpu" else 0
    if wanted == "cuda" and not count:
        raise BackendError(
            "backend.device is cuda, but no NVIDIA GPU (or no CUDA build of torch) is here; "
            "type: backend.device=cpu"
        )
    return Device("cuda", count) if count else Device("cpu", 1)


def cores() -> int:
    """Cores this process may use: its affinity, and the container's quota where there is one."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return allowed


def _cuda_devices() -> int:
    try:
        if version("torch").endswith("+cpu"):
            return 0
    except PackageNotFoundError:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    # Some containers and virtual machines show the devices only.
    found = _GPUS.iterdir() if _GPUS.is_dir() else _DEVICES.glob("nvidia[0-9]*")
    return len(list(found))
