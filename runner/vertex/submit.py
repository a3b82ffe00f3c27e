"""Asking Vertex AI for a tuning job, once."""

from __future__ import annotations

import logging
import random
import re
import time
import warnings
from typing import TYPE_CHECKING, Any

from runner.backends.protocol import TuningJob
from runner.config import GeminiModel, VertexBackend
from runner.records import Example, Resource
from runner.vertex.auto_evaluation import evaluation_config
from runner.vertex.errors import ServiceError, translated
from runner.vertex.jobs import find_job, plain
from runner.vertex.media import Media
from runner.vertex.states import Job
from runner.vertex.upload import upload

if TYPE_CHECKING:
    from runner.vertex.clients import Clients

log = logging.getLogger(__name__)

ARM = "sft-arm"
SUBMITTING = "submitting the tuning job"
SIZES = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}
LOOKS = 6
"""Times that a job is looked for whose create call had no clear answer."""
SOONEST = 0.1
"""Seconds that the first look waits at least, times 0.2 to 0.4; the last waits 32 times as long."""
REFUSALS = 8
"""Times that a job is asked for again which the service refused for want of quota."""


def submit(
    clients: Clients,
    settings: VertexBackend,
    model: GeminiModel,
    experiment: str,
    job: TuningJob,
    media: Media,
) -> Job:
    """Upload the datasets and create the job; returns it as it stands.

    The create call has no idempotency key, so it is never simply repeated: after a lost reply
    the job is looked for by its label, several times. Only a refusal (429) is asked again, for
    then there is no job. Raises BackendError, transient when the job may come to be seen later.
    """
    made = Example.to_preference if job.tuning.method == "preference" else Example.to_gemini

    told: set[Resource] = set()

    def record(item: Resource) -> None:
        if item not in told:
            job.record(item)
        told.add(item)

    def row(example: Example) -> dict[str, Any]:
        return media.in_row(made(example), record)

    train = upload(clients.storage, settings.bucket, job.train, row, record)
    validation = None
    if job.validation:
        validation = upload(clients.storage, settings.bucket, job.validation, row, record)
    config = create_config(settings, experiment, job, validation)
    start = job.tuning.start_from
    source = start.model if start else model.id
    for attempt in range(REFUSALS):
        try:
            return _create(clients, source, train, config)
        except ServiceError as error:
            found = look_again(clients, settings, job.label) if error.ambiguous else None
            if found is not None:
                return found
            if error.code != 429 or attempt == REFUSALS - 1:
                raise
            log.info("no quota for %s yet, asking again", job.label)
            time.sleep(settings.poll_seconds * min(2**attempt, 10) * random.uniform(0.5, 1.0))
    raise AssertionError("unreachable")


def look_again(clients: Clients, settings: VertexBackend, label: str) -> Job | None:
    """The job that a create call without a clear answer may have left. A list may lag."""
    first = min(1.0, max(SOONEST, settings.poll_seconds))
    for attempt in range(LOOKS):
        time.sleep(first * 2**attempt * random.uniform(0.2, 0.4))
        try:
            found = find_job(clients, ARM, label)
        except ServiceError as error:
            if not error.transient:
                raise
            continue
        if found is not None:
            return found
    return None


def _create(clients: Clients, source: str, train: str, config: Any) -> Job:
    from google.genai import errors, types

    warnings.filterwarnings("ignore", category=errors.ExperimentalWarning)
    with translated(SUBMITTING):
        made = clients.tuning.tunings.tune(
            base_model=source, training_dataset=types.TuningDataset(gcs_uri=train), config=config
        )
    return plain(made)


def create_config(
    settings: VertexBackend, experiment: str, job: TuningJob, validation: str | None
) -> Any:
    """The job's settings. Typed, since google-genai drops the checkpoint to start from out of a
    dict; what is null is not sent, so that the service chooses."""
    from google.genai import types

    tuning = job.tuning
    size = f"ADAPTER_SIZE_{SIZES[tuning.adapter_size]}" if tuning.adapter_size else None
    return types.CreateTuningJobConfig(
        method=types.TuningMethod.PREFERENCE_TUNING if tuning.method == "preference" else None,
        validation_dataset=types.TuningValidationDataset(gcs_uri=validation)
        if validation
        else None,
        tuned_model_display_name=f"sft-{job.label}",
        epoch_count=tuning.epochs,
        learning_rate_multiplier=tuning.learning_rate_multiplier,
        adapter_size=types.AdapterSize(size) if size else None,
        beta=tuning.beta,
        pre_tuned_model_checkpoint_id=tuning.start_from.checkpoint if tuning.start_from else None,
        export_last_checkpoint_only=settings.last_checkpoint_only or None,
        evaluation_config=evaluation_config(settings, job.label, validation=bool(validation)),
        labels=labels_of(settings, experiment, job),
        encryption_spec=types.EncryptionSpec(kms_key_name=settings.kms_key)
        if settings.kms_key
        else None,
        http_options=types.HttpOptions(extra_body={"serviceAccount": settings.service_account})
        if settings.service_account
        else None,
    )


def labels_of(settings: VertexBackend, experiment: str, job: TuningJob) -> dict[str, str]:
    """The user's labels, and ours, by which the job is found again."""
    name = re.sub(r"[^a-z0-9_-]", "-", experiment.lower())[:63]
    ours = {ARM: job.label, "sft-experiment": name, "sft-seed": str(job.seed)}
    return {**settings.labels, **ours}
