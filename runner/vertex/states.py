"""The states of a tuning job, and what each means for who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.backends.protocol import JobState

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


def trouble_of(job: Job) -> str:
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
