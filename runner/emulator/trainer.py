"""What stands behind the emulated service: something that tunes and answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from runner.records import CurvePoint, Example, Generation, Prediction, Request


class Stopped(Exception):
    """The job was cancelled, or the emulator is closing."""


@dataclass(frozen=True, slots=True)
class Work:
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
class Update:
    """The job is at `step` of epoch `epoch` (completed ones); these points are new."""

    step: int
    epoch: int
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint was written. `handle` is what the trainer wants back to answer with it."""

    epoch: int
    step: int
    handle: str


class Watch(Protocol):
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

    def train(self, work: Work, watch: Watch) -> Generator[Update | Saved, None, None]:
        """Do the job; whoever closes the generator early cancels it. Raises Stopped when the
        watch says so, BackendError when the job fails."""

    def answer(
        self, handle: str, requests: Sequence[Request], generation: Generation
    ) -> list[Prediction]:
        """Answers in the order of the requests; an empty handle is the base model."""

    def close(self) -> None:
        """Let go of everything."""
