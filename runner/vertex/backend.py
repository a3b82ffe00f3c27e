"""Gemini on Vertex AI behind the runner's door to backends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from runner import config
from runner.backends.protocol import JobStatus, Terms, TuningJob
from runner.config import Experiment, GeminiEncoder, GeminiModel
from runner.errors import BackendError, ConfigError
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
from runner.vertex.clients import Clients
from runner.vertex.curves import Curves
from runner.vertex.embedding import embed
from runner.vertex.errors import translated
from runner.vertex.jobs import cancel_job, find_job, get_job
from runner.vertex.media import Media
from runner.vertex.objects import Objects
from runner.vertex.online import answer
from runner.vertex.outcome import outcome_of, resolved_of
from runner.vertex.states import Job, note_of, state_of, statistics, trouble_of, whole
from runner.vertex.submit import ARM, submit
from runner.vertex.thinking import room

log = logging.getLogger(__name__)

LAST_READS = 5
"""Times that the curves of an ended job are asked for before it goes without their last part."""


@dataclass
class Followed:
    """A job that this process has seen."""

    curves: Curves
    job: Job = field(default_factory=dict)
    read_failed: bool = False


class VertexBackend:
    """Tunes and asks Gemini on Vertex AI, or on an emulator of it. Safe to use from threads.

    Jobs are known by the label ``sft-arm``; nothing about them is kept on this machine but what
    the ledger says.
    """

    def __init__(self, experiment: Experiment, settings: config.VertexBackend) -> None:
        if not isinstance(experiment.model, GeminiModel):
            raise ConfigError(
                f"model.kind: backend=vertex tunes Gemini only, not {experiment.model.kind}"
            )
        self.model = experiment.model
        self.settings = settings
        self.experiment = experiment.name
        self.clients = Clients(settings)
        self.media = Media(self.clients, settings.bucket)
        self._objects = Objects(self.clients)
        self._followed: dict[str, Followed] = {}
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

    def terms(self) -> Terms:
        """What the settings come to; thoughts are billed as answers are."""
        settings = self.settings
        return Terms(
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
        """Upload the data and create the job."""
        made = submit(self.clients, self.settings, self.model, self.experiment, job, self.media)
        followed = self._following(job.label)
        followed.job = made
        log.info("tuning job %s is %s", job.label, made["name"])

    def find(self, label: str) -> JobStatus | None:
        """The newest job with this label that has not failed, else the newest."""
        followed = self._following(label)
        if followed.job:
            followed.job = get_job(self.clients, followed.job["name"])
        else:
            found = find_job(self.clients, ARM, label)
            if found is None:
                return None
            followed.job = found
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
        rate = steps_per_epoch(followed.job)  # known for sure at the end only
        points = [replace(p, epoch=p.step / rate if rate else p.epoch) for p in points]
        result = outcome_of(followed.job, self.settings, points, lost)
        if not result.checkpoints:
            raise BackendError(f"tuning job {followed.job.get('name')} left no endpoint to ask")
        return result

    def cancel(self, label: str) -> None:
        """Ask the service to stop the job with this label, if there is one."""
        status = self.find(label)
        if status and status.state in ("queued", "running"):
            cancel_job(self.clients, self._following(label).job["name"])

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

    def _following(self, label: str) -> Followed:
        with self._lock:
            if label not in self._followed:
                self._followed[label] = Followed(Curves(self.clients))
            return self._followed[label]

    def _status(self, job: Job) -> JobStatus:
        done = whole((job.get("tuningJobMetadata") or {}).get("completedStepCount"))
        return JobStatus(
            state=state_of(job),
            step=done,
            total_steps=whole(statistics(job).get("tuningStepCount")),
            note=note_of(job),
            error=trouble_of(job),
            epochs=resolved_of(job).get("epochCount", 0),
            next_look=self.settings.poll_seconds,
            patience=60 * self.settings.stall_minutes,
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
