"""Small experiments, rows and jobs for the local backend's tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.backends.local.backend import LocalBackend as Backend
from runner.backends.local.weights import Weights
from runner.backends.protocol import JobStatus, TuningJob
from runner.config import Experiment, LocalBackendSettings, Model, PathsGroup, RandomModel, Tuning
from runner.records import Example, Origin, Request, Turn, quiet, write_jsonl

SYSTEM = "You turn a sentence into JSON."
TINY = RandomModel(kind="random", name="tiny", context_tokens=1024, base_learning_rate=3e-2)
ENDED = ("succeeded", "failed", "cancelled", "interrupted")


def example(number: int, system: str = SYSTEM) -> Example:
    """Rows of uneven length with a shared beginning."""
    text = f"Say number {number}" + " please" * (number % 5)
    turns = (Turn("user", text),)
    return Example(
        f"t{number}", turns, f'{{"n":{number}}}', Origin("made.jsonl", number), system=system
    )


def request(number: int, **changes: Any) -> Request:
    made = example(number)
    return Request(**{"id": made.id, "contents": made.contents, "system": made.system, **changes})


def write_rows(path: Path, numbers: Sequence[int]) -> Path:
    write_jsonl(path, (example(number).to_json() for number in numbers))
    return path


def make_job(folder: Path, label: str = "job", rows: int = 24, **knobs: Any) -> TuningJob:
    """A job over `rows` training and 10 validation rows."""
    folder.mkdir(parents=True, exist_ok=True)
    train = write_rows(folder / "train.jsonl", range(rows))
    validation = write_rows(folder / "validation.jsonl", range(100, 110))
    return TuningJob(label, train, validation, Tuning(**{"epochs": 2, **knobs}), seed=3)


def experiment(models: Path, model: Model = TINY, **settings: Any) -> Experiment:
    """As much of an experiment as the backend looks at."""
    backend = LocalBackendSettings(**{"kind": "local", "device": "cpu", "threads": 1, **settings})
    return Experiment.model_construct(
        model=model, backend=backend, paths=PathsGroup(models=str(models))
    )


def tiny_folder(models: Path) -> Path:
    return Weights(TINY, models).folder(quiet)


def wait(
    backend: Backend,
    label: str,
    until: Callable[[JobStatus], bool] = lambda status: status.state in ENDED,
    seconds: float = 240,
) -> JobStatus:
    """The first status that satisfies `until`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = backend.find(label)
        assert status is not None
        if until(status):
            return status
        assert status.state not in ENDED, f"{status}\n{Path(status.log).read_text()[-3000:]}"
        time.sleep(0.02)
    raise AssertionError(f"still {backend.find(label)} after {seconds} s")


def curves(backend: Backend, label: str) -> list[tuple[str, int, float]]:
    """The curves without their time stamps."""
    return [(point.name, point.step, point.value) for point in backend.metrics(label)]
