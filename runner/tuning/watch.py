"""Submit a tuning job unless it exists already, and watch it until it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from runner.backends.protocol import Backend, JobStatus, TuningJob
from runner.base.errors import BackendError, GateError
from runner.config import Tuning
from runner.records import CurvePoint, Example, Progress, TuningResult, read_jsonl
from runner.tuning.stall import StallClock, persistent, wait

TUNE_VERSION = "1"
ENDED_BADLY = ("interrupted", "failed", "cancelled")
FIRST_WAIT = 0.5
"""Seconds before the first look is tried again that failed in passing."""
UNSEEN = 5
"""Looks that a job just submitted may be missing from: a service's lists can lag."""

Listener = Callable[[Sequence[CurvePoint]], None]


def tune(
    backend: Backend,
    job: TuningJob,
    progress: Progress,
    listen: Listener,
    intend: Callable[[], None],
) -> TuningResult:
    """Run the job to its end and return what it left.

    `intend` is called right before a submit, so that the intent is on record before the
    effect; `listen` gets every new curve point. A job that is running already (another runner,
    or a remote service after a kill) is watched, not started again. Raises BackendError when
    the job fails or is cancelled, and GateError when the backend resolved it to more epochs
    than `tuning.max_epochs`; it is cancelled then.
    """
    status = persistent(lambda: backend.find(job.label), FIRST_WAIT)
    if status is None or status.state in ENDED_BADLY:
        if status:
            _gate(backend, job, status)
        intend()
        backend.submit(replace(job, note=lambda text: progress(0, 0, text)))
    _follow(backend, job, progress, listen)
    result = persistent(lambda: backend.result(job.label), FIRST_WAIT)
    return replace(result, findings=(*result.findings, *job_notes(job, result)))


def _follow(backend: Backend, job: TuningJob, progress: Progress, listen: Listener) -> None:
    """Return when the job has succeeded and every point was passed on."""
    seen, unseen, silence, seconds = 0, 0, StallClock(), FIRST_WAIT
    while True:
        status = persistent(lambda: backend.find(job.label), seconds)
        seen += _report(backend.metrics(job.label)[seen:], listen)
        if status is None:
            unseen += 1
            if unseen >= UNSEEN:
                raise BackendError(f"tuning job {job.label} is gone from the backend")
            wait(seconds)
            continue
        seconds = status.next_look
        alarm = silence.after(job.label, status)
        progress(status.step, status.total_steps, "; ".join(filter(None, (status.note, alarm))))
        _gate(backend, job, status)
        if status.state == "succeeded":
            _report(backend.metrics(job.label)[seen:], listen)
            return
        _refuse(job, status)
        wait(seconds)


def _report(points: Sequence[CurvePoint], listen: Listener) -> int:
    if points:
        listen(points)
    return len(points)


def _gate(backend: Backend, job: TuningJob, status: JobStatus) -> None:
    """Raise GateError for more epochs than allowed: nobody wants to pay for those. A job that
    has succeeded all the same is paid for already and kept."""
    limit = max(job.tuning.max_epochs, job.tuning.epochs or 0)
    if status.epochs <= limit or status.state == "succeeded":
        return
    if status.state in ("queued", "running"):
        persistent(lambda: backend.cancel(job.label), FIRST_WAIT)
    raise GateError(
        f"tuning job {job.label}: left to itself, the service chose {status.epochs} epochs, and"
        f" tuning.max_epochs allows {job.tuning.max_epochs}; the job was cancelled\n"
        f"  set tuning.epochs, or allow it: tuning.max_epochs={status.epochs}"
    )


def _refuse(job: TuningJob, status: JobStatus) -> None:
    if status.state in ENDED_BADLY:
        cause = status.error or f"the job was {status.state}"
        raise BackendError(f"tuning job {job.label}: {cause}", log=status.log)


# What a person should know about a finished job, beside its numbers.

KNOBS = {
    "epochCount": ("epochs", "epochs"),
    "adapterSize": ("adapter_size", "adapter size"),
    "learningRateMultiplier": ("learning_rate_multiplier", "learning rate multiplier"),
    "beta": ("beta", "beta"),
}
"""Name in `TuningResult.resolved` as Vertex AI has it, key of the group `tuning`, words."""
SHOWN = 20
"""Dropped rows that are named one by one."""


def job_notes(job: TuningJob, result: TuningResult) -> Iterator[str]:
    """Knobs that the service turned by itself, and dropped rows at their place in our data."""
    yield from surprises(job.tuning, result)
    yield from dropped_rows(job.train, result)


def surprises(tuning: Tuning, result: TuningResult) -> Iterator[str]:
    """Hyperparameters that were left open, or came back other than they were asked for."""
    for name, (key, words) in KNOBS.items():
        value, asked = result.resolved.get(name), getattr(tuning, key)
        if value is None:
            continue
        if asked is None:
            yield f"{words} left open (tuning.{key}=null): the service chose {value:g}"
        elif float(asked) != float(value):
            yield f"{words} {asked:g} asked for, but the service trained with {value:g}"


def dropped_rows(train: Path, result: TuningResult) -> Iterator[str]:
    """The rows that the service names, as file and line of the source they came from."""
    wanted = {row.number: row.reason for row in islice(result.dropped, SHOWN)}
    for number, raw in enumerate(read_jsonl(train), 1):
        if number in wanted:
            example = Example.from_json(raw)
            place = f"{example.origin.file}:{example.origin.line}"
            yield f"dropped: {place} (row {example.id}): {wanted.pop(number)}"
        if not wanted:
            return
