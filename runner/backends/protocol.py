"""What is asked of whatever tunes and answers. Knows no vendor, and not who is asked.

A tuning job is asked for by label (a digest of everything that determines its result), so a
runner that was killed finds its job again and never starts a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from runner.config import GeminiEncoder, Tuning
from runner.records import (
    Checkpoint,
    CurvePoint,
    Example,
    Generation,
    Prediction,
    Progress,
    Request,
    Resource,
    TuningResult,
)

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class TuningJob:
    """What to tune: `train` and `validation` are JSONL files of `Example` records."""

    label: str
    train: Path
    validation: Path | None
    tuning: Tuning
    seed: int
    record: Callable[[Resource], None] = lambda _: None
    """Told of everything that is put on a service for the job, right before it is."""
    forget: Callable[[str], None] = lambda _: None
    """Told the name of a recorded thing that is gone again."""
    note: Callable[[str], None] = lambda _: None
    """Told what the submit is waiting for, in words for people."""
    sought: bool = False
    """Whether an earlier runner meant to ask for the job and did not live to see the answer: a
    service whose lists lag is then searched longer before the job is asked for again."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands. `interrupted` means its process is gone and submitting again resumes."""

    state: JobState
    step: int = 0
    total_steps: int = 0
    note: str = ""
    """What it is doing, e.g. ``epoch 2/3, 1.9 s a step, 2 min left``."""
    error: str = ""
    log: str = ""
    epochs: int = 0
    """Epochs as the backend resolved them; 0 when that is not known (yet)."""
    next_look: float = 0.25
    """Seconds until another look is worth its while."""
    stall_after: float = 0.0
    """Seconds without progress after which something is wrong; 0 for no such limit."""


class Backend(Protocol):
    """What every backend does. All methods raise BackendError with the cause and the cure."""

    def identity(self) -> dict[str, object]:
        """What about this backend determines results (model weights, precision, threads);
        part of every tuning and prediction digest. Cheap: loads no model."""

    def setup(self, progress: Progress) -> None:
        """Fetch and convert weights, check credentials. Idempotent and safe to race."""

    def count_tokens(self, examples: Sequence[Example]) -> list[tuple[int, int]] | None:
        """Exact (prompt, target) token counts of rendered examples as the model will be given
        them; None when only an estimate is possible."""

    def submit(self, job: TuningJob) -> None:
        """Start the job, or resume it when it was interrupted. Does not wait."""

    def find(self, label: str) -> JobStatus | None:
        """The job with this label, or None when it was never submitted."""

    def metrics(self, label: str) -> list[CurvePoint]:
        """Every curve point recorded so far, in order."""

    def result(self, label: str) -> TuningResult:
        """What a succeeded job left."""

    def cancel(self, label: str) -> None:
        """Stop the job cleanly; checkpoints written so far stay."""

    def generate(
        self,
        checkpoint: Checkpoint | None,
        requests: Sequence[Request],
        generation: Generation,
    ) -> Iterator[Prediction]:
        """Answer the requests in any order, the untuned model when `checkpoint` is None.
        A request that cannot be answered yields a Prediction with `error`."""

    def close(self) -> None:
        """Let go of processes and connections."""


@dataclass(frozen=True, slots=True)
class BackendTerms:
    """How a backend works, as far as time and money depend on it. The defaults are those of one
    that does its work on this machine."""

    remote: bool = False
    """Whether it is a service: nothing is fetched before it is asked, and a plan needs no account
    with it."""
    jobs_at_once: int = 0
    """Tuning jobs that may be under way at a time, while other arms are evaluated; 0 for a backend
    that does one thing after the other on this machine."""
    thoughts: int = 0
    """Tokens that an answer may spend on thoughts besides: they are billed as output."""
    batch_from: int | None = None
    """From so many requests on, the untuned model is asked by batch; None for never."""
    last_checkpoint_only: bool = False
    """Whether a job leaves its last checkpoint only."""
    evaluates: bool = False
    """Whether it evaluates checkpoints itself while it tunes, billed as batch."""


@runtime_checkable
class HasTerms(Protocol):
    """A backend whose terms are other than the defaults."""

    def terms(self) -> BackendTerms:
        """What a plan and a forecast need to know. Cheap: asks nobody."""


def backend_terms(backend: Backend) -> BackendTerms:
    """The backend's terms, or the defaults where it has none of its own."""
    return backend.terms() if isinstance(backend, HasTerms) else BackendTerms()


@runtime_checkable
class WarmsUp(Protocol):
    """A backend that can get ready while something else is done."""

    def warm_up(self) -> None:
        """Begin with it and return at once. Says nothing of what goes wrong: whoever needs the
        result will find out."""


@runtime_checkable
class Uploader(Protocol):
    """A backend that puts the files which prompts name on a service."""

    def uploads(self) -> list[Resource]:
        """Everything of it that this process has put there, or found there."""


@runtime_checkable
class Embedder(Protocol):
    """A backend that turns texts into vectors, for encoders of kind ``gemini``."""

    def embed(self, encoder: GeminiEncoder, requests: Sequence[Request]) -> Iterator[Prediction]:
        """The vector of each request's only turn, in any order, as `runner.records.packed` text.
        Raises BackendError; a text that has no vector yields a Prediction with `error`."""


@runtime_checkable
class HasObjects(Protocol):
    """A backend beside which objects are stored that rows can name."""

    def object_size(self, uri: str) -> int | None:
        """Bytes of the object; None when there is none. Raises BackendError when the storage
        cannot be asked."""


class ResourceCleaner(Protocol):
    """What an experiment left on a service, for whoever tidies up there without a backend."""

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds of `Resource`s in the order in which they can be deleted."""

    def delete(self, resource: Resource) -> bool:
        """Delete one; False when it was not there any more. Raises BackendError."""

    def close(self) -> None:
        """Let go of connections."""


class Shipper(Protocol):
    """Makes a checkpoint ready to be asked by others."""

    def __call__(
        self,
        config: Mapping[str, Any],
        tuned: TuningResult,
        checkpoint: Checkpoint,
        generation: Generation,
    ) -> dict[str, Any]:
        """What a client of the checkpoint has to know besides its prompts. `config` is the arm's
        whole config, and `tuned` what its job left. Says what it does. Raises BackendError."""
