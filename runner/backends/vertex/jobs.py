"""Tuning jobs on the service: found by label, looked at by name, counted to the last token."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runner.backends.protocol import JobState
from runner.backends.vertex.errors import ServiceError, translated

if TYPE_CHECKING:
    from runner.backends.vertex.clients import Clients

log = logging.getLogger(__name__)

LOOKING = "looking for the tuning job"
ARM = "sft-arm"
"""The label that a job is known by."""
HOME = "sft-home"
"""The label that says which home bought the job."""


def plain(job: Any) -> Job:
    """google-genai's job as REST has it."""
    found: Job = job.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response"}
    )
    return found


def jobs_of(clients: Clients, label: str) -> list[Job]:
    """Every job that was made for this label, oldest first."""
    from google.genai import types

    with translated(LOOKING):
        config = types.ListTuningJobsConfig(filter=f'labels.{ARM}="{label}"', page_size=100)
        found = [plain(job) for job in clients.tuning.tunings.list(config=config)]
    return sorted((job for job in found if labels(job).get(ARM) == label), key=_age)


def find_job(clients: Clients, label: str) -> Job | None:
    """The job of this label that counts, or None."""
    return best_of(jobs_of(clients, label))


def best_of(jobs: Sequence[Job]) -> Job | None:
    """The job that counts among those of one label, the same for everybody who looks: one that
    has succeeded, else the earliest that may, else the newest of those that ended badly."""
    done = [job for job in jobs if state_of(job) == "succeeded"]
    going = [job for job in jobs if is_going(job)]
    if done or going:
        return min(done or going, key=_age)
    return max(jobs, key=_age, default=None)


def is_going(job: Job) -> bool:
    """Whether the job is under way and nobody has asked for its end."""
    return state_of(job) in ("queued", "running") and job.get("state") != "JOB_STATE_CANCELLING"


def extras_of(jobs: Sequence[Job]) -> list[Job]:
    """Jobs under way besides the one that counts: each costs money and brings nothing."""
    kept = best_of(jobs)
    return [job for job in jobs if is_going(job) and kept and job["name"] != kept["name"]]


def stop_extras(clients: Clients, jobs: Sequence[Job]) -> None:
    """Tell the others under way to stop. What cannot be told now is told at the next look."""
    for extra in extras_of(jobs):
        log.warning("stopping %s: another job of its label counts", extra["name"])
        try:
            cancel_job(clients, extra["name"])
        except ServiceError as error:
            log.warning("%s", error)


def labels(job: Job) -> dict[str, str]:
    """The job's labels."""
    return dict(job.get("labels") or {})


def billed_tokens(job: Job) -> int | None:
    """Tokens of all epochs that the job is billed for; None when the service does not say.

    What Google asks for a job that was stopped or failed is not published (read 2026-11-26): it
    is taken at the share of its epochs that were done.
    """
    bill = whole(statistics(job).get("totalBillableTokenCount"))
    if state_of(job) == "succeeded":
        return bill or None
    done = whole((job.get("tuningJobMetadata") or {}).get("completedEpochCount"))
    epochs = whole(hyperparameters(job).get("epochCount"))
    return bill * done // epochs if epochs else 0


def _age(job: Job) -> tuple[datetime, str]:
    """What jobs are ordered by: the service's time of their making."""
    made = str(job.get("createTime") or "1970-01-01T00:00:00Z").replace("Z", "+00:00")
    return datetime.fromisoformat(made), str(job.get("name", ""))


def get_job(clients: Clients, name: str) -> Job:
    """The job of this name."""
    with translated("looking at the tuning job"):
        return plain(clients.tuning.tunings.get(name=name))


def cancel_job(clients: Clients, name: str) -> None:
    """Ask the service to stop the job; it ends as cancelled a little later."""
    with translated("cancelling the tuning job"):
        clients.tuning.tunings.cancel(name=name)


# The states of a tuning job, and what each means for who waits for it.

# google-genai's own `has_ended` is false for PARTIALLY_SUCCEEDED: a loop on it never stops.
STATES: Mapping[str, JobState] = {
    "JOB_STATE_UNSPECIFIED": "queued",
    "JOB_STATE_QUEUED": "queued",
    "JOB_STATE_PENDING": "queued",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_UPDATING": "running",
    "JOB_STATE_PAUSED": "running",
    "JOB_STATE_CANCELLING": "running",
    "JOB_STATE_SUCCEEDED": "succeeded",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "succeeded",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "failed",
    "JOB_STATE_CANCELLED": "cancelled",
}
"""`google.cloud.aiplatform.v1.JobState` (API revision 20261106)."""

PHASES = {
    "TUNING_JOB_STATE_WAITING_FOR_QUOTA": "waiting for quota",
    "TUNING_JOB_STATE_PROCESSING_DATASET": "looking through the dataset",
    "TUNING_JOB_STATE_WAITING_FOR_CAPACITY": "waiting for capacity",
    "TUNING_JOB_STATE_TUNING": "tuning",
    "TUNING_JOB_STATE_POST_PROCESSING": "making endpoints",
}
PARTIAL = "JOB_STATE_PARTIALLY_SUCCEEDED"
SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
Job = Mapping[str, Any]
"""A TuningJob as REST has it (camelCase)."""


def state_of(job: Job) -> JobState:
    """How the job stands. A state that is not known yet is one that has not ended."""
    return STATES.get(str(job.get("state", "")), "running")


def note_of(job: Job) -> str:
    """What it is doing."""
    if job.get("state") == "JOB_STATE_CANCELLING":
        return "being cancelled"
    if state_of(job) not in ("queued", "running"):
        return ""
    phase = PHASES.get(str(job.get("tuningJobState", "")), state_of(job))
    done = (job.get("tuningJobMetadata") or {}).get("completedEpochCount")
    epochs = hyperparameters(job).get("epochCount")
    return f"{phase}, epoch {done} of {epochs}" if done and epochs else phase


def error_of(job: Job) -> str:
    """Why it failed, in the service's words; empty when it did not."""
    state = str(job.get("state", ""))
    if state_of(job) not in ("failed", "cancelled"):
        return ""
    says = (job.get("error") or {}).get("message", "")
    head = {
        "JOB_STATE_FAILED": "Vertex AI gave the job up",
        "JOB_STATE_EXPIRED": "the job ran out of time on Vertex AI",
        "JOB_STATE_CANCELLED": "the job was cancelled",
    }[state]
    return f"{head}: {says}" if says else head


def spec_of(job: Job) -> Mapping[str, Any]:
    """The tuning spec, whichever method it is."""
    return next((job[name] for name in SPECS if job.get(name)), {})


def hyperparameters(job: Job) -> Mapping[str, Any]:
    """As asked for, and once the job runs, as resolved by the service."""
    return spec_of(job).get("hyperParameters") or {}


def statistics(job: Job) -> Mapping[str, Any]:
    """`tuningDataStats` without the sample rows that it echoes."""
    stats = job.get("tuningDataStats") or {}
    found: Mapping[str, Any] = next(
        (value for key, value in stats.items() if key.endswith("DataStats")), {}
    )
    return {key: value for key, value in found.items() if key != "userDatasetExamples"}


def whole(value: Any) -> int:
    """An int64, which REST writes as text; 0 when it is not there."""
    return int(value or 0)
