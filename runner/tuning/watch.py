"""Submit a tuning job unless it exists already, and watch it until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from runner.backend import Backend, JobStatus, TuningJob
from runner.errors import BackendError
from runner.records import CurvePoint, Progress, TuningResult

TUNE_VERSION = "1"
POLL_SECONDS = 0.25

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
    the job fails or is cancelled.
    """
    status = backend.find(job.label)
    if status is None or status.state in ("interrupted", "failed", "cancelled"):
        intend()
        backend.submit(job)
    seen = 0
    while True:
        status = backend.find(job.label)
        seen += _report(backend.metrics(job.label)[seen:], listen)
        if status is None:
            raise BackendError(f"tuning job {job.label} is gone from the backend")
        progress(status.step, status.total_steps, status.note)
        if status.state == "succeeded":
            _report(backend.metrics(job.label)[seen:], listen)
            return backend.result(job.label)
        _refuse(job, status)
        time.sleep(POLL_SECONDS)


def _report(points: Sequence[CurvePoint], listen: Listener) -> int:
    if points:
        listen(points)
    return len(points)


def _refuse(job: TuningJob, status: JobStatus) -> None:
    if status.state in ("failed", "cancelled", "interrupted"):
        cause = status.error or f"the job was {status.state}"
        raise BackendError(f"tuning job {job.label}: {cause}", log=status.log)
