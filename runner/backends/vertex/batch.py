"""Answers by batch prediction: half the price, in the service's own time.

The input is an object named by its content, and the job carries the same name, so a runner that
was killed finds its job again instead of paying for a second one. When every answer was taken,
the objects are deleted again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.backends.vertex.errors import translated
from runner.backends.vertex.requests import body_of, prediction_of
from runner.base.errors import BackendError
from runner.config import GeminiModel, VertexBackendSettings
from runner.records import Generation, NotAnswered, Prediction, Request

if TYPE_CHECKING:
    from runner.backends.vertex.clients import Clients

log = logging.getLogger(__name__)

ENDED_WELL = ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED")
ENDED_BADLY = ("JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED")
LOOKS_LOST = 5
REFUSED_ROW = "Bad Request"
"""How the status of a row begins that the service will never take."""
"""Looks at a job in a row that may fail before that is an error."""
LOOK_UPS = 3
"""Times a job is looked for whose create call had no clear answer."""

Key = str


@dataclass(frozen=True, slots=True)
class BatchLocation:
    """Where a batch lies: `label` is the digest of its content and of whom it asks."""

    bucket: str
    folder: str
    label: str

    @property
    def input(self) -> str:
        return f"{self.folder}batch/{self.label}.jsonl"

    @property
    def output(self) -> str:
        return f"{self.folder}batch/{self.label}/"

    def uri(self, name: str) -> str:
        return f"gs://{self.bucket}/{name}"

    @property
    def display_name(self) -> str:
        return f"sft-{self.label}"


def ask_in_batch(
    clients: Clients,
    client: Any,
    settings: VertexBackendSettings,
    model: GeminiModel,
    requests: Sequence[Request],
    generation: Generation,
) -> Iterator[Prediction]:
    """Answers to all requests, when the job has ended. Raises BackendError when the job failed
    as a whole; a row that failed is a prediction with the service's reason."""
    bodies = [body_of(request, generation, model, settings.thinking) for request in requests]
    content = "".join(_line({"request": body}) + "\n" for body in bodies).encode()
    place = _place(settings, hashlib.sha256(f"{model.id}\n".encode() + content).hexdigest()[:24])
    job = _find(client, clients, place)
    if job is None:
        with translated("uploading a batch of requests"):
            _upload(clients, place, content)
        job = _create(client, clients, model, place)
    job = _wait(client, job, settings.poll_seconds)
    with translated("reading the answers of a batch"):
        lines = list(_output(clients, job))
    waiting = {key_of(body): request.id for body, request in zip(bodies, requests, strict=True)}
    for line in lines:
        name = waiting.pop(key_of(line.get("request") or {}), None)
        if name is not None:
            yield _prediction(name, line)
    for name in waiting.values():
        says = "the batch came back without this row"
        yield Prediction(name, "", says, "error", cause="service")
    _tidy(clients, job, place)


def key_of(body: Mapping[str, Any]) -> Key:
    """What tells requests of a batch apart. Output comes in any order with the request beside
    the answer, whose settings the service may have completed: so only what a row brings."""
    system = (body.get("systemInstruction") or {}).get("parts")
    resolution = (body.get("generationConfig") or {}).get("mediaResolution")
    tools = [body.get("tools"), body.get("toolConfig")]
    text = json.dumps([body.get("contents"), system, tools, resolution], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _place(settings: VertexBackendSettings, label: str) -> BatchLocation:
    bucket, _, folder = settings.bucket.removeprefix("gs://").partition("/")
    folder = folder.strip("/")
    return BatchLocation(bucket, f"{folder}/" if folder else "", label)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"))


def _upload(clients: Clients, place: BatchLocation, content: bytes) -> None:
    """Put the input in place, once: the name says what is in it."""
    from google.api_core.exceptions import PreconditionFailed

    blob = clients.storage.bucket(place.bucket).blob(place.input)
    try:
        blob.upload_from_string(
            content, content_type="application/jsonl", if_generation_match=0, checksum="crc32c"
        )
    except PreconditionFailed:
        log.debug("the batch input %s is there already", place.input)


def _find(client: Any, clients: Clients, place: BatchLocation) -> Any:
    """The job of this content that may still give answers, or None."""
    with translated("looking for a batch job"):
        wanted = f'display_name="{place.display_name}"'
        for job in client.batches.list(config={"filter": wanted}):
            state = job.state.name
            gone = state in ENDED_WELL and not _blobs(clients, job)
            if job.display_name == place.display_name and state not in ENDED_BADLY and not gone:
                return job
    return None


def _create(client: Any, clients: Clients, model: GeminiModel, place: BatchLocation) -> Any:
    """Submit the job. A create call is never repeated blindly: it would be paid for twice."""
    config = {"display_name": place.display_name, "dest": place.uri(place.output)}
    try:
        with translated("submitting a batch job"):
            return client.batches.create(model=model.id, src=place.uri(place.input), config=config)
    except BackendError as error:
        if not error.transient:
            raise
        for attempt in range(LOOK_UPS):
            time.sleep(random.uniform(0.5, 1.0) * 2**attempt)
            if job := _find(client, clients, place):
                return job
        raise


def _wait(client: Any, job: Any, seconds: float) -> Any:
    """The job when it has ended well."""
    lost = 0
    while job.state.name not in ENDED_WELL:
        if job.state.name in ENDED_BADLY:
            why = getattr(job.error, "message", "") or "no reason given"
            raise BackendError(f"the batch job {job.name} ended as {job.state.name}: {why}")
        time.sleep(seconds * random.uniform(0.8, 1.2))
        try:
            with translated("looking at a batch job"):
                job, lost = client.batches.get(name=job.name), 0
        except BackendError as error:
            lost += 1
            if not error.transient or lost >= LOOKS_LOST:
                raise
    return job


def _blobs(clients: Clients, job: Any) -> list[Any]:
    """The objects that hold the job's answers."""
    folder = getattr(job.output_info, "gcs_output_directory", None) or job.dest.gcs_uri
    bucket, _, prefix = folder.removeprefix("gs://").partition("/")
    found = clients.storage.list_blobs(bucket, prefix=prefix.rstrip("/") + "/")
    return [blob for blob in found if blob.name.endswith(".jsonl")]


def _output(clients: Clients, job: Any) -> Iterator[dict[str, Any]]:
    for blob in _blobs(clients, job):
        for line in blob.download_as_bytes().splitlines():
            if line.strip():
                yield json.loads(line)


def _prediction(name: str, line: Mapping[str, Any]) -> Prediction:
    """One line of the output; ``status`` is empty, or the reason why there is no answer."""
    status = line.get("status")
    if status:
        says = status if isinstance(status, str) else json.dumps(status)
        cause: NotAnswered = "refused" if says.startswith(REFUSED_ROW) else "service"
        return Prediction(name, "", f"batch: {says}", "error", cause=cause)
    return prediction_of(name, line.get("response") or {})


def _tidy(clients: Clients, job: Any, place: BatchLocation) -> None:
    """Delete input and output. Failing at it must not cost the answers."""
    from google.api_core.exceptions import GoogleAPIError

    try:
        for blob in _blobs(clients, job):
            blob.delete()
        clients.storage.bucket(place.bucket).blob(place.input).delete()
    except (GoogleAPIError, OSError) as error:
        where = place.uri(place.input)
        log.warning("could not delete %s and its answers (%s)", where, type(error).__name__)
