"""Tuning jobs for tests: rows, the backend, and a watch over one job."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from runner.backends.protocol import TuningJob
from runner.backends.vertex.backend import VertexBackend
from runner.config import Experiment, Tuning
from runner.emulator import Emulator
from runner.records import CurvePoint, Example, Origin, TuningResult, Turn, quiet, write_jsonl
from runner.tuning import tune
from tests.backends.vertex.asking import LITE, backend, model


def example(number: int, split: str = "train") -> Example:
    """A row that came from line ``10 + number`` of a source file."""
    return Example(
        id=f"{split}-{number}",
        contents=(Turn("user", f"{split} question {number}"),),
        target=f"answer {number % 3}",
        rejected="nothing",
        origin=Origin(f"data/{split}.csv", 10 + number),
        system="Answer.",
    )


def rows(folder: Path, split: str = "train", count: int = 20) -> Path:
    """A file of examples."""
    file = folder / f"{split}.jsonl"
    write_jsonl(file, (example(number, split).to_json() for number in range(count)))
    return file


def tuning_job(folder: Path, label: str = "a1", **knobs: Any) -> TuningJob:
    """A job of three epochs on twenty rows."""
    settings = Tuning(**{"epochs": 3, "adapter_size": 4, **knobs})
    return TuningJob(label, rows(folder), rows(folder, "validation", 8), settings, seed=11)


def vertex(emulator: Emulator, name: str = LITE, /, **settings: Any) -> VertexBackend:
    """The backend, looking at jobs every 50 ms."""
    experiment = SimpleNamespace(model=model(name), name="My experiment: 1")
    return VertexBackend(cast(Experiment, experiment), backend(emulator, **settings))


@dataclass
class Watch:
    """What a watcher of a job is told."""

    intents: int = 0
    points: list[CurvePoint] = field(default_factory=list)

    def run(self, chosen: VertexBackend, job: TuningJob) -> TuningResult:
        """The job from its submit to its end."""

        def intend() -> None:
            self.intents += 1

        return tune(chosen, job, quiet, self.points.extend, intend)


def jobs(emulator: Emulator) -> list[dict[str, Any]]:
    """The jobs that the server has."""
    found: list[dict[str, Any]] = emulator.overview()["jobs"]
    return found
