"""Gemini on Vertex AI behind the runner's door to backends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import config
from runner.backends.protocol import BackendTerms, JobStatus, TuningJob
from runner.backends.vertex.clients import Clients
from runner.backends.vertex.create_lock import LockOwner
from runner.backends.vertex.errors import translated
from runner.backends.vertex.files import Media, Objects
from runner.backends.vertex.jobs import (
    HOME,
    Job,
    best_of,
    billed_tokens,
    cancel_job,
    error_of,
    get_job,
    is_going,
    jobs_of,
    labels,
    note_of,
    state_of,
    statistics,
    stop_extras,
    whole,
)
from runner.backends.vertex.online import answer, embed
from runner.backends.vertex.requests import room
from runner.backends.vertex.result import CurvePoints, resolved_of, resources_of, result_of
from runner.backends.vertex.submit import submit
from runner.base.errors import BackendError, ConfigError
from runner.config import Experiment, GeminiEncoder, GeminiModel
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

log = logging.getLogger(__name__)

LAST_READS = 5
"""Times that the curves of an ended job are asked for before it goes without their last part."""


@dataclass
class WatchedJob:
    """A job that this process has seen."""

    curves: CurvePoints
    job: Job = field(default_factory=dict)
    read_failed: bool = False


class VertexBackend:
    """Tunes and asks Gemini on Vertex AI, or on an emulator of it. Safe to use from threads.

    Jobs are known by the label ``sft-arm``; nothing about them is kept on this machine but what
    the ledger says.
    """

    def __init__(
        self,
        experiment: Experiment,
        settings: config.VertexBackendSettings,
        home: Path | None = None,
    ) -> None:
        """`home` is who buys: its mark goes into each job's labels, so that a job which several
        homes use stands in the books of one."""
        if not isinstance(experiment.model, GeminiModel):
            raise ConfigError(
                f"model.kind: backend=vertex tunes Gemini only, not {experiment.model.kind}"
            )
        self.model = experiment.model
        self.settings = settings
        self.experiment = experiment.name
        self.owner = LockOwner(home)
        self.clients = Clients(settings)
        self.media = Media(self.clients, settings.bucket)
        self._objects = Objects(self.clients)
        self._followed: dict[str, WatchedJob] = {}
        self._lock = threading.Lock()

    def identity(self) -> dict[str, object]:
        """The model and how it is asked. Neither project nor place: they change no answer. An
        emulator is another thing than the service, wherever it listens."""
        return {
            "service": "emulated Vertex AI" if self.settings.emulator else "Vertex AI",
            "model": self.model.id,
            "thinking": self.settings.thinking,
            "thinking_rule": self.model.thinking.model_dump(mode="json"),
        }

    def terms(self) -> BackendTerms:
        """What the settings come to; thoughts are billed as answers are."""
        settings = self.settings
        return BackendTerms(
            remote=True,
            jobs_at_once=settings.concurrency,
            thoughts=room(self.model, settings.thinking),
            batch_from=settings.batch_from,
            last_checkpoint_only=settings.last_checkpoint_only,
            evaluates=settings.auto_evaluation,
        )

    def setup(self, progress: Progress) -> None:
        """See that jobs and objects of the project can be listed: credentials, names, APIs."""
        from google.genai import types

        progress(0, 2, "signing in")
        with translated(f"looking at tuning jobs of {self.settings.project}"):
            config_ = types.ListTuningJobsConfig(page_size=1)
            next(iter(self.clients.tuning.tunings.list(config=config_)), None)
        progress(1, 2, "looking at the bucket")
        bucket = self.settings.bucket.removeprefix("gs://").partition("/")[0]
        with translated(f"looking at the bucket gs://{bucket}"):
            next(iter(self.clients.storage.list_blobs(bucket, max_results=1)), None)
        progress(2, 2, "")

    def count_tokens(self, examples: Sequence[Example]) -> list[tuple[int, int]] | None:
        """None: Gemini's tokens can be estimated only without paying for calls."""
        return None

    def submit(self, job: TuningJob) -> None:
        """Upload the data and create the job, or take the one that somebody else makes."""
        made = submit(
            self.clients, self.settings, self.model, self.experiment, job, self.media, self.owner
        )
        followed = self._following(job.label)
        followed.job = made
        log.info("tuning job %s is %s", job.label, made["name"])

    def find(self, label: str) -> JobStatus | None:
        """The job with this label that counts; others under way are told to stop. One that
        somebody stopped in favour of another job of the label is left for that one."""
        followed = self._following(label)
        if followed.job:
            followed.job = get_job(self.clients, followed.job["name"])
        if not followed.job or state_of(followed.job) == "cancelled":
            jobs = jobs_of(self.clients, label)
            found = best_of(jobs)
            if found is None:
                return self._status(followed.job) if followed.job else None
            stop_extras(self.clients, jobs)
            self._follow(followed, found)
        return self._status(followed.job)

    def metrics(self, label: str) -> list[CurvePoint]:
        """The curves so far; those of the last read when they cannot be read now."""
        followed = self._following(label)
        experiment = followed.job.get("experiment")
        if not experiment:
            return list(followed.curves.points)
        try:
            points = followed.curves.read(str(experiment), steps_per_epoch(followed.job))
        except BackendError as error:
            if not followed.read_failed:
                log.warning("the curves of %s cannot be read now: %s", label, error)
            followed.read_failed = True
            return list(followed.curves.points)
        followed.read_failed = False
        return points

    def result(self, label: str) -> TuningResult:
        """What a succeeded job left. Raises BackendError when it left nothing to ask."""
        followed = self._following(label)
        if not followed.job:
            self.find(label)
        points: list[CurvePoint] = []
        for _ in range(LAST_READS):
            points = self.metrics(label)
            if not followed.read_failed:
                break
            time.sleep(min(1.0, self.settings.poll_seconds))
        lost = ["the curves could not be read to their end"] if followed.read_failed else []
        jobs = self._settled(label, followed.job)
        rate = steps_per_epoch(followed.job)  # known for sure at the end only
        points = [replace(p, epoch=p.step / rate if rate else p.epoch) for p in points]
        result = result_of(followed.job, self.settings, points, (*lost, *self._bought(jobs)))
        left = (thing for job in jobs for thing in resources_of(job))
        result = replace(
            result,
            bills=tuple(billed_tokens(job) for job in jobs if self._is_ours(job)),
            resources=tuple(dict.fromkeys((*result.resources, *left))),
        )
        if not result.checkpoints:
            raise BackendError(f"tuning job {followed.job.get('name')} left no endpoint to ask")
        return result

    def cancel(self, label: str) -> None:
        """Ask the service to stop every job with this label that is under way."""
        for job in jobs_of(self.clients, label):
            if is_going(job):
                cancel_job(self.clients, job["name"])

    def generate(
        self,
        checkpoint: Checkpoint | None,
        requests: Sequence[Request],
        generation: Generation,
    ) -> Iterator[Prediction]:
        """Ask the checkpoint's endpoint, or the untuned model."""
        sent = [self.media.in_request(request) for request in requests]
        return answer(self.clients, self.settings, self.model, checkpoint, sent, generation)

    def embed(self, encoder: GeminiEncoder, requests: Sequence[Request]) -> Iterator[Prediction]:
        """Ask Google's embedding model, one text a call."""
        return embed(self.clients, self.settings, encoder, requests)

    def uploads(self) -> list[Resource]:
        """Pictures and other files of prompts."""
        return self.media.resources()

    def object_size(self, uri: str) -> int | None:
        """Bytes of an object of Cloud Storage, None when there is none."""
        return self._objects(uri)

    def close(self) -> None:
        """Let go of connections; jobs go on."""
        self.clients.close()

    def _following(self, label: str) -> WatchedJob:
        with self._lock:
            if label not in self._followed:
                self._followed[label] = WatchedJob(CurvePoints(self.clients))
            return self._followed[label]

    def _follow(self, followed: WatchedJob, job: Job) -> None:
        if followed.job and followed.job["name"] != job["name"]:
            followed.curves = CurvePoints(self.clients)
        followed.job = job

    def _settled(self, label: str, job: Job) -> list[Job]:
        """Every job of the label, at its end: one that turns up beside `job` is told to stop,
        and its end is waited for, for its bill."""
        deadline = time.monotonic() + self.settings.visible_seconds
        while True:
            jobs = jobs_of(self.clients, label)
            stop_extras(self.clients, jobs)
            going = [one["name"] for one in jobs if state_of(one) in ("queued", "running")]
            if not going or time.monotonic() > deadline:
                break
            time.sleep(min(1.0, self.settings.poll_seconds))
        if going:
            log.warning("not stopped yet, and perhaps billed for more: %s", ", ".join(going))
        return jobs if any(one["name"] == job["name"] for one in jobs) else [*jobs, job]

    def _is_ours(self, job: Job) -> bool:
        """Whether this home bought the job; one that says nothing of homes is taken for ours."""
        return labels(job).get(HOME, self.owner.id) == self.owner.id

    def _bought(self, jobs: Sequence[Job]) -> Iterator[str]:
        """What a person should know of who pays for what."""
        for job in jobs:
            if not self._is_ours(job):
                yield f"another home bought {job['name']}: it stands in that home's books only"
        if len(jobs) > 1:
            yield (
                f"{len(jobs)} jobs were made for this arm; its bill has all that this home bought"
            )

    def _status(self, job: Job) -> JobStatus:
        done = whole((job.get("tuningJobMetadata") or {}).get("completedStepCount"))
        return JobStatus(
            state=state_of(job),
            step=done,
            total_steps=whole(statistics(job).get("tuningStepCount")),
            note=note_of(job),
            error=error_of(job),
            epochs=resolved_of(job).get("epochCount", 0),
            next_look=self.settings.poll_seconds,
            stall_after=60 * self.settings.stall_minutes,
        )


def steps_per_epoch(job: Job) -> float:
    """Optimiser steps of one pass, as far as the service has said; 0 before that."""
    epochs = int(resolved_of(job).get("epochCount", 0))
    tuned = (job.get("tunedModel") or {}).get("checkpoints") or []
    if tuned and float(tuned[-1].get("epoch") or 0):
        return whole(tuned[-1].get("step")) / float(tuned[-1]["epoch"])
    planned = whole(statistics(job).get("tuningStepCount"))
    if planned and epochs:
        return planned / epochs
    done = job.get("tuningJobMetadata") or {}
    complete = whole(done.get("completedEpochCount"))
    return whole(done.get("completedStepCount")) / complete if complete else 0.0
