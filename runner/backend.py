"""The door to whatever tunes and answers: one protocol, and how a config picks its backend.

A tuning job is asked for by label (a digest of everything that determines its result), so a
runner that was killed finds its job again and never starts a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from runner.config import (
    Experiment,
    GeminiEncoder,
    PluginBackend,
    SentenceEncoder,
    Tuning,
    VertexBackend,
)
from runner.errors import ConfigError
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
    patience: float = 0.0
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


Factory = Callable[[Experiment, Path], Backend]
"""Makes a backend from the composed experiment and the runner's home folder."""

ENTRY_POINTS = "runner.backends"


def sentence_encoder() -> Callable[[Sequence[str], SentenceEncoder, Progress], Any]:
    """What turns texts into vectors on this machine, for encoders of kind ``sentence``."""
    from runner.local.sentences import sentence_vectors

    return sentence_vectors


def sentence_facts(encoder: SentenceEncoder, cache: Path) -> dict[str, object]:
    """What identifies the model of `sentence_encoder`; digests of files are kept in `cache`."""
    from runner.local.sentences import sentence_facts

    return sentence_facts(encoder, cache)


def make_backend(experiment: Experiment, home: Path) -> Backend:
    """The backend that `backend.kind` names. Raises ConfigError for an unknown plug-in."""
    chosen = experiment.backend
    if isinstance(chosen, PluginBackend):
        known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
        if chosen.name not in known:
            listed = ", ".join(sorted(known)) or "none is installed"
            raise ConfigError(f"backend.name: no plug-in {chosen.name!r}; installed: {listed}")
        factory: Factory = known[chosen.name].load()
        return factory(experiment, home)
    if isinstance(chosen, VertexBackend):
        from runner.vertex.backend import VertexBackend as Vertex

        return Vertex(experiment, chosen)
    from runner.local.backend import LocalBackend

    return LocalBackend(experiment, home)
