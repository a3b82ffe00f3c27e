"""Batch prediction: JSONL of requests in Cloud Storage in, JSONL of answers out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from runner.base.errors import SftError
from runner.config import GeminiModel
from runner.emulator.call import Call, canonical, page
from runner.emulator.generate import generation_of, refuse_body, reply_of, request_of
from runner.emulator.job_api import ENDED
from runner.emulator.models import operation
from runner.emulator.refusals import Refusal, invalid
from runner.emulator.registry import StoredResource
from runner.emulator.schema import api, read_body
from runner.emulator.service import EmulatedService, base_model

KIND = "batchPredictionJobs"
ROOT = "batch_prediction_job"
WAIT_SECONDS = 120.0
"""Of the service's time, before a batch begins."""
INVALID = 3


def create(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Check what can be checked at once and start the job."""
    body = call.body
    model, handle = _model(service, body.get("model", ""))
    source = body["inputConfig"].get("gcsSource")
    target = body["outputConfig"].get("gcsDestination")
    if not source or not target:
        raise invalid(f"{ROOT}.input_config", "Only Cloud Storage JSONL is emulated.")
    formats = (body["inputConfig"]["instancesFormat"], body["outputConfig"]["predictionsFormat"])
    if formats != ("jsonl", "jsonl"):
        raise invalid(f"{ROOT}.input_config", f"Formats have to be jsonl, not {formats}.")
    for uri in source["uris"]:
        if service.storage.read(uri) is None:
            said = f"{uri} does not exist, or the service agent may not read it."
            raise invalid(f"{ROOT}.input_config.gcs_source.uris", said)
    name = service.new_name(call.place, KIND)
    inner = {"model": model.id, "handle": handle}
    state = {"state": "JOB_STATE_PENDING"}
    job = service.registry.add(KIND, name, service.stamped(**body, **state), inner)
    service.batches.start(job)
    return job.body


def _model(service: EmulatedService, name: str) -> tuple[GeminiModel, str]:
    """A base model, or a tuned one's default checkpoint."""
    if "publishers/" in name:
        return base_model(name), ""
    if "/models/" not in name:
        said = f"{name!r} is neither publishers/google/models/ID nor a model's resource name."
        raise invalid(f"{ROOT}.model", said)
    found = service.find("models", canonical(name))
    handle = found.inner["handles"][found.body["defaultCheckpointId"]]
    return base_model(found.inner["model"]), handle


def get(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One job."""
    return service.find(KIND, call.name).body


def listing(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The jobs of a location, newest first."""
    return page(call, "batchPredictionJobs", service.registry.all(KIND, call.place)[::-1])


def cancel(service: EmulatedService, call: Call) -> dict[str, Any]:
    """End a job; what it has answered is lost."""
    job = service.find(KIND, call.name)
    if job.body["state"] not in ENDED:
        ended = {"state": "JOB_STATE_CANCELLED", "endTime": service.clock.stamp()}
        service.registry.change(job, ended)
    return {}


def delete(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Forget a job that has ended."""
    job = service.find(KIND, call.name)
    if job.body["state"] not in ENDED:
        raise Refusal(400, f"{job.name} has not ended.", status="FAILED_PRECONDITION")
    service.registry.remove(job)
    return operation(service, call, "DeleteOperationMetadata")


class BatchJobs:
    """One thread for each job that has not ended; all of them stop before the service does."""

    def __init__(self, service: EmulatedService) -> None:
        self.service = service
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def resume(self) -> None:
        """Start again what an earlier emulator left unfinished."""
        for job in self.service.registry.all(KIND):
            if job.body["state"] not in ENDED:
                self.start(job)

    def start(self, job: StoredResource) -> None:
        """See a job through, unless the emulator is closing: the next one resumes it."""
        with self._lock:
            if self._closing.is_set():
                return
            thread = threading.Thread(target=self._run, args=(job,), name="batch", daemon=True)
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def close(self) -> None:
        """Stop after the answers that are being given; the next emulator resumes the jobs."""
        with self._lock:
            self._closing.set()
            threads = self._threads
        for thread in threads:
            thread.join()

    def _run(self, job: StoredResource) -> None:
        service = self.service
        if self._closing.wait(WAIT_SECONDS / service.clock.speed):
            return
        started = {"state": "JOB_STATE_RUNNING", "startTime": service.clock.stamp()}
        if not _change(service, job, started):
            return
        try:
            lines = []
            for line in _answers(service, job):
                lines.append(line)
                if self._closing.is_set():
                    return
        except (Refusal, SftError, OSError) as error:
            said = {"error": {"code": INVALID, "message": str(error)}}
            _change(service, job, {"state": "JOB_STATE_FAILED", **_ended(service), **said})
            return
        _deliver(service, job, lines)


def _deliver(service: EmulatedService, job: StoredResource, lines: list[dict[str, Any]]) -> None:
    """Write the answers where the job's output belongs, and end it."""
    folder = job.body["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    folder += f"/prediction-model-{job.body['createTime']}"
    import orjson

    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    service.storage.write(f"{folder}/predictions.jsonl", content)
    failed = sum(bool(line["status"]) for line in lines)
    done = {"successfulCount": str(len(lines) - failed), "failedCount": str(failed)}
    _change(
        service,
        job,
        {
            "state": "JOB_STATE_SUCCEEDED",
            "completionStats": done,
            "outputInfo": {"gcsOutputDirectory": folder},
            **_ended(service),
        },
    )


def _ended(service: EmulatedService) -> dict[str, str]:
    return {"endTime": service.clock.stamp()}


def _change(service: EmulatedService, job: StoredResource, body: dict[str, Any]) -> bool:
    """Write progress; False when the job was cancelled meanwhile."""
    found = service.registry.get(KIND, job.name)
    if not found or found.body["state"] in ENDED:
        return False
    service.registry.change(job, {**body, "updateTime": service.clock.stamp()})
    return True


def _answers(service: EmulatedService, job: StoredResource) -> Iterator[dict[str, Any]]:
    """One line for each line of the input: the request, its status and response."""
    import orjson

    for uri in job.body["inputConfig"]["gcsSource"]["uris"]:
        for line in (service.storage.read(uri) or b"").splitlines():
            if line.strip():
                yield _answer(service, job, orjson.loads(line))


def _answer(service: EmulatedService, job: StoredResource, line: dict[str, Any]) -> dict[str, Any]:
    model = base_model(job.inner["model"])
    known, out = api("v1beta1"), dict(line)
    try:
        name = known.full_name("GenerateContentRequest")
        body, faults = read_body(known, name, line.get("request"), required=True)
        if faults:
            raise Refusal(400, faults[0].description, faults)
        refuse_body(body, model)
        asked, handle = request_of("line", body), job.inner["handle"]
        answered = service.trainer.answer(handle, [asked], generation_of(body))[0]
        response: dict[str, Any] = reply_of(service, answered, model, "tools" in body)
        status = ""
    except Refusal as refusal:
        status, response = f"Bad Request: {refusal.message}", {}
    now = service.clock.stamp()
    return {**out, "status": status, "processed_time": now, "response": response}
