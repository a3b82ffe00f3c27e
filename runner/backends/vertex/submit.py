"""Asking Vertex AI for a tuning job, once.

The create call has no idempotency key, so nothing is asked twice blindly. A lock in the bucket
guards looking for the job and making it; a create call whose end nobody saw is given the time of
`backend.visible_seconds` to show its job; and after each create the label is listed again: the
earliest job stays and the others are stopped.
"""

from __future__ import annotations

import logging
import random
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.backends.protocol import TuningJob
from runner.backends.vertex.create_lock import CreateLock, LockLostError, LockOwner
from runner.backends.vertex.errors import ServiceError, translated
from runner.backends.vertex.files import Media, upload
from runner.backends.vertex.jobs import (
    ARM,
    HOME,
    Job,
    best_of,
    find_job,
    jobs_of,
    plain,
    state_of,
    stop_extras,
)
from runner.base.errors import BackendError
from runner.config import GeminiModel, VertexBackendSettings
from runner.records import Example, Resource

if TYPE_CHECKING:
    from runner.backends.vertex.clients import Clients

log = logging.getLogger(__name__)

SUBMITTING = "submitting the tuning job"
SIZES = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}
SOONEST = 0.02
"""Seconds between two looks for a job at first; each wait is twice as long as the one before."""
LONGEST = 10.0
REFUSALS = 8
"""Times that a job is asked for again which the service refused for want of quota."""


def submit(
    clients: Clients,
    settings: VertexBackendSettings,
    model: GeminiModel,
    experiment: str,
    job: TuningJob,
    media: Media,
    owner: LockOwner,
) -> Job:
    """Upload the datasets and create the job, unless somebody else makes it meanwhile; returns
    it as it stands.

    Only a refusal (429) is asked again, for then there is no job. Raises BackendError, transient
    when the same command may work later, and `in_doubt` when a job may have been made that could
    not be looked for.
    """
    train, validation = _uploaded(clients, settings, job, media)
    config = create_config(settings, experiment, job, validation, owner.id)
    start = job.tuning.start_from
    create = partial(_create, clients, start.model if start else model.id, train, config)
    for attempt in range(REFUSALS):
        try:
            return _one(clients, settings, job, owner, create)
        except LockLostError as error:
            log.info("%s; looking for the job again", error)
        except ServiceError as error:
            if error.code != 429 or attempt == REFUSALS - 1:
                raise
            log.info("no quota for %s yet, asking again", job.label)
            time.sleep(settings.poll_seconds * min(2**attempt, 10) * random.uniform(0.5, 1.0))
    raise BackendError(
        f"the lock on tuning job {job.label} was lost {REFUSALS} times: this machine stands still"
        f" for longer than backend.lock_seconds={settings.lock_seconds:g}",
        transient=True,
    )


def _uploaded(
    clients: Clients, settings: VertexBackendSettings, job: TuningJob, media: Media
) -> tuple[str, str | None]:
    """Addresses of the datasets in the bucket: train, and validation if there is one."""
    made = Example.to_preference if job.tuning.method == "preference" else Example.to_gemini
    told: set[Resource] = set()

    def record(item: Resource) -> None:
        if item not in told:
            job.record(item)
        told.add(item)

    def row(example: Example) -> dict[str, Any]:
        return media.in_row(made(example), record)

    put = partial(upload, clients.storage, settings.bucket, row=row, record=record)
    train = put(job.train)
    return train, put(job.validation) if job.validation else None


def _one(
    clients: Clients,
    settings: VertexBackendSettings,
    job: TuningJob,
    owner: LockOwner,
    create: Callable[[], Job],
) -> Job:
    """The job of this label: found, or made while nobody else can."""
    lock = CreateLock(clients.storage, settings, job.label, owner, job.note, job.record, job.forget)
    look = partial(_useful, clients, job.label)
    if found := lock.take(look):
        return found
    with lock:
        search = partial(_searched, look, settings, lock, job.note)
        found = search(settings.visible_seconds if job.sought else 0.0)
        return found or _made(clients, settings, job, lock, create)


def _useful(clients: Clients, label: str) -> Job | None:
    """The job of this label that has succeeded or still may."""
    found = find_job(clients, label)
    return found if found and state_of(found) not in ("failed", "cancelled") else None


def _made(
    clients: Clients,
    settings: VertexBackendSettings,
    job: TuningJob,
    lock: CreateLock,
    create: Callable[[], Job],
) -> Job:
    """The job that a create call made, or that was there before it after all."""
    lock.renew()  # right before the call: from here on the lock must last as long as the doubt
    lock.in_doubt = True
    try:
        made = create()
    except ServiceError as error:
        if not error.ambiguous:
            lock.in_doubt = False
            raise
        made = _after_doubt(clients, settings, job, lock, error)
    lock.in_doubt = not _listed(clients, settings, job.label, str(made["name"]), lock)
    return _kept(clients, job.label, made)


def _after_doubt(
    clients: Clients,
    settings: VertexBackendSettings,
    job: TuningJob,
    lock: CreateLock,
    error: ServiceError,
) -> Job:
    """The job that a create call without a clear answer left. Raises that call's `error` when
    there is none, and marks it when that could not be seen."""
    try:
        look = partial(_useful, clients, job.label)
        found = _searched(look, settings, lock, job.note, settings.visible_seconds)
    except BackendError as blind:
        blind.transient = blind.in_doubt = True
        raise
    if found is None:
        lock.in_doubt = False
        raise error
    return found


def _searched(
    look: Callable[[], Job | None],
    settings: VertexBackendSettings,
    lock: CreateLock,
    note: Callable[[str], None],
    seconds: float,
) -> Job | None:
    """The job that `look` finds within so many seconds, or None: after them, one look that does
    not fail is enough. Raises BackendError when there was none for `backend.visible_seconds`."""
    if seconds:
        log.warning("looking for a tuning job that was asked for before, for %.0f s", seconds)
    failed: ServiceError | None = None
    for gone in _moments(seconds + settings.visible_seconds):
        if seconds:
            left = max(0.0, seconds - gone)
            note(f"looking for a job that was asked for before; else a new one in {left:.0f} s")
        try:
            lock.renew()
            failed, found = None, look()
        except ServiceError as error:
            if not error.transient:
                raise
            failed, found = error, None
        if found is not None or (failed is None and gone >= seconds):
            return found
    assert failed
    raise failed


def _listed(
    clients: Clients, settings: VertexBackendSettings, label: str, name: str, lock: CreateLock
) -> bool:
    """Whether a job that was made is in the list, where the next one who looks will see it."""
    for _ in _moments(settings.visible_seconds):
        try:
            if any(job["name"] == name for job in jobs_of(clients, label)):
                return True
            lock.renew()
        except (ServiceError, LockLostError) as error:
            log.info("job %s is not in the list yet: %s", name, error)
    return False


def _moments(seconds: float) -> Iterator[float]:
    """Seconds gone, until they are all: at once, and after ever longer waits."""
    start, wait = time.monotonic(), SOONEST
    yield 0.0
    while (gone := time.monotonic() - start) < seconds:
        time.sleep(min(wait, seconds - gone))
        wait = min(LONGEST, 2 * wait)
        yield time.monotonic() - start


def _kept(clients: Clients, label: str, made: Job) -> Job:
    """The job of this label that counts; the others under way are told to stop. `made` when that
    cannot be seen now: at the job's end it is looked again."""
    try:
        jobs = jobs_of(clients, label)
    except ServiceError as error:
        log.warning("jobs of %s could not be counted: %s", label, error)
        return made
    stop_extras(clients, jobs)
    return best_of(jobs) or made


def _create(clients: Clients, source: str, train: str, config: Any) -> Job:
    from google.genai import errors, types

    warnings.filterwarnings("ignore", category=errors.ExperimentalWarning)
    with translated(SUBMITTING):
        made = clients.tuning.tunings.tune(
            base_model=source, training_dataset=types.TuningDataset(gcs_uri=train), config=config
        )
    return plain(made)


def create_config(
    settings: VertexBackendSettings,
    experiment: str,
    job: TuningJob,
    validation: str | None,
    home: str = "",
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
        labels=labels_of(settings, experiment, job, home),
        encryption_spec=types.EncryptionSpec(kms_key_name=settings.kms_key)
        if settings.kms_key
        else None,
        http_options=types.HttpOptions(extra_body={"serviceAccount": settings.service_account})
        if settings.service_account
        else None,
    )


def labels_of(
    settings: VertexBackendSettings, experiment: str, job: TuningJob, home: str
) -> dict[str, str]:
    """The user's labels, and ours: by which the job is found again, and which home bought it."""
    name = re.sub(r"[^a-z0-9_-]", "-", experiment.lower())[:63]
    ours = {ARM: job.label, "sft-experiment": name, "sft-seed": str(job.seed)}
    return {**settings.labels, **ours, **({HOME: home} if home else {})}


# The service's own evaluation of checkpoints while it tunes: asked for, and read back.
#
# A Preview (About supervised fine-tuning, read 2026-09-25): Gemini 2.5 in us-central1, with a
# validation set; billed as batch prediction. Its figures are a second opinion beside ours and
# choose nothing.

METRICS = ("exact_match",)
"""Computed from answer and reference without a judge. Ours are the figures that count, with
normalisation and intervals; this one shows whether the service sees the same order."""
ENDING = "MetricValue"
FOLDER = "/evaluation/{label}/"


def evaluation_config(settings: VertexBackendSettings, label: str, *, validation: bool) -> Any:
    """The `evaluation_config` of a tuning job (google-genai's type), None where none is wanted
    or there is nothing to evaluate on. Its files go where the job's label says whose they are."""
    if not (settings.auto_evaluation and validation):
        return None
    from google.genai import types

    prefix = settings.bucket.rstrip("/") + FOLDER.format(label=label)
    return types.EvaluationConfig(
        metrics=[types.Metric(name=name) for name in METRICS],
        output_config=types.OutputConfig(
            gcs_destination=types.GcsDestination(output_uri_prefix=prefix)
        ),
        inference_generation_config=types.GenerationConfig(temperature=0.0),
    )


def evaluation_notes(job: Job) -> Iterator[str]:
    """One sentence for each checkpoint that the service evaluated, or failed to."""
    for run in job.get("evaluateDatasetRuns") or []:
        who = f"Vertex AI's own evaluation of checkpoint {run.get('checkpointId', '?')}"
        if run.get("error"):
            yield f"{who} failed: {run['error'].get('message', 'no reason given')}"
        elif figures := [*_averages(run)]:
            yield f"{who}: {', '.join(figures)}"


def evaluation_resources(job: Job) -> Iterator[Resource]:
    """The folder of files that the evaluation left, if it is the one that we named."""
    ours = FOLDER.format(label=(job.get("labels") or {}).get(ARM, ""))
    for run in job.get("evaluateDatasetRuns") or []:
        output = (run.get("evaluateDatasetResponse") or {}).get("outputInfo") or {}
        before, found, _ = f"{output.get('gcsOutputDirectory', '')}/".partition(ours)
        if found:
            yield Resource("object", before + found)


def _averages(run: Mapping[str, Any]) -> Iterator[str]:
    """``exactMatch 0.85`` for each metric's average over the rows."""
    output = (run.get("evaluateDatasetResponse") or {}).get("aggregationOutput") or {}
    for result in output.get("aggregationResults") or []:
        if result.get("aggregationMetric") != "AVERAGE":
            continue
        for name, value in result.items():
            score = value.get("score") if isinstance(value, Mapping) else None
            if name.endswith(ENDING) and score is not None:
                yield f"{name.removesuffix(ENDING)} {score:.3g}"
