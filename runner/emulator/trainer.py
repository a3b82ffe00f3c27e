"""What stands behind the emulated service: something that tunes and answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.base.errors import ConfigError, Problem
from runner.records import CurvePoint, Example, Generation, Prediction, Request


class TrainingStopped(Exception):
    """The job was cancelled, or the emulator is closing."""


@dataclass(frozen=True, slots=True)
class TrainingWork:
    """One tuning job as the trainer sees it, with every hyperparameter resolved."""

    job: str
    """The job's id: unique, and the same after a restart."""
    dataset: str
    """``gs://`` address of the training rows."""
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    epochs: int
    multiplier: float
    adapter: int
    seed: int
    start: str
    """Handle of the checkpoint it goes on from; empty for the base model."""


@dataclass(frozen=True, slots=True)
class TrainingUpdate:
    """The job is at `step` of epoch `epoch` (completed ones); these points are new."""

    step: int
    epoch: int
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint was written. `handle` is what the trainer wants back to answer with it."""

    epoch: int
    step: int
    handle: str


class StopWatch(Protocol):
    """What a trainer waits with; both raise Stopped when the job is to end."""

    def pause(self, seconds: float) -> None:
        """Let this much of the service's time pass (sped up)."""

    def look(self, seconds: float) -> None:
        """Let this much real time pass."""


class Trainer(Protocol):
    """All methods may be called from several threads."""

    @property
    def limit(self) -> int:
        """Tokens that a row may have at most."""

    def tokens(self, examples: Sequence[Example]) -> list[tuple[int, int]]:
        """Prompt and target tokens of each example."""

    def train(
        self, work: TrainingWork, watch: StopWatch
    ) -> Generator[TrainingUpdate | SavedCheckpoint, None, None]:
        """Do the job; whoever closes the generator early cancels it. Raises Stopped when the
        watch says so, BackendError when the job fails."""

    def answer(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> list[Prediction]:
        """Answers in the order of the requests; an empty handle is the base model."""

    def close(self) -> None:
        """Let go of everything."""


# What a scripted tuning job does: its curves, its pace, how good its checkpoints are.


class Script(BaseModel):
    """The file behind `sft emulate --script`. Times are the service's own, in seconds; the
    emulator's speed divides them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue_seconds: float = Field(default=60, ge=0)
    dataset_seconds: float = Field(default=240, ge=0)
    """Looking through the rows before the first step."""
    capacity_seconds: float = Field(default=60, ge=0)
    tuning_seconds: float = Field(default=1800, ge=0)
    deploy_seconds: float = Field(default=240, ge=0)
    """After the last step: models and endpoints are made."""
    batch_size: int = Field(default=8, gt=0)
    """Rows of an optimiser step; more when an epoch would have over 50 steps."""
    start_loss: float = Field(default=2.5, gt=0)
    end_loss: float = Field(default=0.3, gt=0)
    """Of training; validation ends a quarter higher."""
    overfit_from: float = Field(default=1.0, gt=0)
    """Share of the training after which the validation loss rises again; 1 is never."""
    noise: float = Field(default=0.03, ge=0)
    accuracy: tuple[float, float] = (0.55, 0.9)
    """Share of answers that are the nearest training row's target: of an imagined checkpoint
    at the start, and of the last one."""
    base_answer: str = ""
    """What the base model says; empty repeats the last worked example, else the question."""


def read_script(file: Path) -> Script:
    """The script of a YAML file. Raises ConfigError with every fault."""
    import yaml

    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError(f"--script: there is no file {file}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--script: {file} is not YAML: {error}") from None
    try:
        return Script.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(problems(error, str(file), list(Script.model_fields))) from None


def problems(error: ValidationError, file: str, keys: list[str]) -> list[Problem]:
    """Pydantic's findings as problems of the file."""
    found = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        unknown = item["type"] == "extra_forbidden"
        hint = f"known keys: {', '.join(keys)}" if unknown else ""
        found.append(Problem(key, item["msg"], file, hint))
    return found
