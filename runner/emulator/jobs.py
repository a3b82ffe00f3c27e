"""Tuning jobs as clients see them: create, get, list, cancel."""

from __future__ import annotations

from typing import Any

from runner.emulator.call import Call, canonical
from runner.emulator.job_rules import check_job, check_source
from runner.emulator.listing import page
from runner.emulator.registry import Resource
from runner.emulator.service import Service

KIND = "tuningJobs"
ENDED = {
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
}
BETA_ONLY = ("tuningJobState", "tuningJobMetadata")


def create(service: Service, call: Call) -> dict[str, Any]:
    """Check everything that can be checked at once, then put the job into the queue."""
    model, source = check_source(service, call)
    check_job(service, call, model)
    body = dict(call.body)
    if source:
        body["preTunedModel"] = {**body["preTunedModel"], "baseModel": model.id}
    name = service.new_name(call.place, KIND)
    state = service.queue.first_state()
    job = service.registry.add(
        KIND,
        name,
        service.stamped(**body, **state),
        {"model": model.id, "start": source, "location": call.location},
    )
    service.queue.notice()
    return shown(call, job)


def get(service: Service, call: Call) -> dict[str, Any]:
    """One job."""
    return shown(call, service.find(KIND, call.name))


def listing(service: Service, call: Call) -> dict[str, Any]:
    """Jobs of one location, newest first."""
    found = service.registry.all(KIND, call.place)[::-1]
    reply = page(call, "tuningJobs", found)
    return (
        {**reply, "tuningJobs": [_versioned(call, body) for body in reply["tuningJobs"]]}
        if ("tuningJobs" in reply)
        else reply
    )


def cancel(service: Service, call: Call) -> dict[str, Any]:
    """Ask the job to stop; one that has ended stays as it is."""
    job = service.find(KIND, call.name)
    if job.body["state"] not in ENDED:
        service.registry.change(job, {"state": "JOB_STATE_CANCELLING"})
        service.queue.cancel(job)
    return {}


def shown(call: Call, job: Resource) -> dict[str, Any]:
    """A job as the version of the API that was called shows it."""
    return _versioned(call, job.body)


def _versioned(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    hidden = BETA_ONLY if call.api.version == "v1" else ()
    return {key: value for key, value in body.items() if key not in hidden}


def pre_tuned(body: dict[str, Any]) -> str:
    """The tuned model's name that a job starts from; empty without one."""
    return canonical(body.get("preTunedModel", {}).get("tunedModelName", ""))
