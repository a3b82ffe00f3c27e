"""What a tuning job leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One metric of a tuning job at one optimiser step.

    `name` is Vertex's: ``train_total_loss``, ``train_fraction_of_correct_next_step_preds``,
    ``train_num_predictions`` and the same with ``eval_``. `time_ms` is when the job recorded
    it (Unix milliseconds), so replaying a point is idempotent.
    """

    name: str
    step: int
    value: float
    time_ms: int
    epoch: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One saved state of a tuning job. `id` is its 1-based number, `path` a local folder or
    an endpoint name; `eval_loss` is nan when there is no validation set. `digest` names the
    content of a local folder; it is empty elsewhere, and in what older versions left."""

    id: str
    epoch: float
    step: int
    path: str
    eval_loss: float
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something of ours on a service: ``kind`` is ``object``, ``model``, ``endpoint`` or
    ``experiment``, ``name`` its full resource name or ``gs://`` address."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A training row that the service left out: its 1-based line in the job's training file,
    and the service's reason."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class TuningResult:
    """What a finished tuning job left."""

    checkpoints: tuple[Checkpoint, ...]
    curves: tuple[CurvePoint, ...]
    train_examples: int
    train_tokens: int
    """Tokens of one epoch, prompt and target."""
    seconds: float
    """Wall-clock seconds of training, all attempts together."""
    resolved: Mapping[str, Any]
    """Hyperparameters as the backend resolved them, e.g. the absolute learning rate."""
    billable_tokens: int = 0
    """Tokens of all epochs that are paid for; 0 on this machine."""
    bills: tuple[int | None, ...] | None = None
    """For each job of this label that this home bought, the tokens it is billed for (None: the
    service does not say): one job as a rule, none when another home bought it. None where a
    backend does not count jobs: then it is one of `billable_tokens`."""
    findings: tuple[str, ...] = ()
    """What a person should know about the job: rows the service dropped, surprising defaults."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Pages about the job by name, e.g. ``console``, ``tensorboard``."""
    resources: tuple[Resource, ...] = ()
    """What the job left on a service; `sft clean` deletes these and nothing else."""
    dropped: tuple[DroppedRow, ...] = ()
    """Training rows that the service dropped and names; a sample when there are many."""

    def billed(self, estimate: int) -> int:
        """Tokens that this home is billed for, all jobs of the label together; one whose service
        does not say is taken at the upper `estimate`."""
        bills = (self.billable_tokens or None,) if self.bills is None else self.bills
        return sum(estimate if tokens is None else tokens for tokens in bills)


# How a stage says how far it is.


class Progress(Protocol):
    """Where a stage reports how far it is; the command line shows it as a bar."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def quiet(done: float, total: float, note: str = "") -> None:
    """The progress of someone who does not look."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One tuning job as the ledger knows it. `tokens` are trained tokens, all epochs."""

    label: str
    state: str
    model: str
    tokens: int
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """Something of ours on a service: what it is (see `records.Resource`), the tuning job that
    left it, and when it was deleted (Unix milliseconds; 0 while it is there)."""

    kind: str
    name: str
    label: str
    created_ms: int
    deleted_ms: int
