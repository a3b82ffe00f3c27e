"""Tuning jobs as clients see them: create, get, list, cancel."""

from __future__ import annotations

import re
from typing import Any

from runner.config import GeminiModel
from runner.emulator.call import Call, canonical, page
from runner.emulator.generate import evaluation_faults
from runner.emulator.refusals import Refusal, Violation, invalid
from runner.emulator.registry import SIZES, StoredResource
from runner.emulator.service import EmulatedService, base_model

KIND = "tuningJobs"
ENDED = {
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
}
BETA_ONLY = ("tuningJobState", "tuningJobMetadata")


def create(service: EmulatedService, call: Call) -> dict[str, Any]:
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


def get(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One job."""
    return shown(call, service.find(KIND, call.name))


def listing(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Jobs of one location, newest first."""
    found = service.registry.all(KIND, call.place)[::-1]
    reply = page(call, "tuningJobs", found)
    return (
        {**reply, "tuningJobs": [_versioned(call, body) for body in reply["tuningJobs"]]}
        if ("tuningJobs" in reply)
        else reply
    )


def cancel(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Ask the job to stop; one that has ended stays as it is."""
    job = service.find(KIND, call.name)
    if job.body["state"] not in ENDED:
        service.registry.change(job, {"state": "JOB_STATE_CANCELLING"})
        service.queue.cancel(job)
    return {}


def shown(call: Call, job: StoredResource) -> dict[str, Any]:
    """A job as the version of the API that was called shows it."""
    return _versioned(call, job.body)


def _versioned(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    hidden = BETA_ONLY if call.api.version == "v1" else ()
    return {key: value for key, value in body.items() if key not in hidden}


def pre_tuned(body: dict[str, Any]) -> str:
    """The tuned model's name that a job starts from; empty without one."""
    return canonical(body.get("preTunedModel", {}).get("tunedModelName", ""))


# What the service says against a tuning job beyond its schema.

SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
LABEL_KEY = re.compile(r"[a-z][\w-]{0,63}")
LABEL_VALUE = re.compile(r"[\w-]{0,64}")
NAME_LENGTH = 128
ROOT = "tuning_job"


def check_source(service: EmulatedService, call: Call) -> tuple[GeminiModel, str]:
    """The base model, and the checkpoint's handle when the job goes on from a tuned model.
    Raises Refusal."""
    body = call.body
    if "baseModel" in body:
        return base_model(body["baseModel"]), ""
    if "preTunedModel" not in body:
        raise invalid(f"{ROOT}.base_model", "One of base_model and pre_tuned_model must be set.")
    chosen = body["preTunedModel"]
    model = service.find("models", canonical(chosen.get("tunedModelName", "")))
    wanted = chosen.get("checkpointId") or model.body["defaultCheckpointId"]
    handles: dict[str, str] = model.inner["handles"]
    if wanted not in handles:
        field = f"{ROOT}.pre_tuned_model.checkpoint_id"
        raise invalid(field, f"Checkpoint {wanted} does not exist: {', '.join(handles)}.")
    return base_model(model.inner["model"]), handles[wanted]


def check_job(service: EmulatedService, call: Call, model: GeminiModel) -> None:
    """Raises Refusal: 400 with every violated field."""
    spec_name = next((name for name in SPECS if name in call.body), None)
    if spec_name is None:
        raise invalid(f"{ROOT}.supervised_tuning_spec", "A tuning spec must be set.")
    found = [
        *_model(call, model, spec_name),
        *_labels(call.body),
        *_parameters(call.body[spec_name], model, _snake(spec_name)),
        *_datasets(service, call.body[spec_name], _snake(spec_name)),
        *evaluation_faults(call.body[spec_name], model, call.location),
    ]
    if found:
        raise Refusal(400, found[0].description, found)


def _snake(spec: str) -> str:
    return {"supervisedTuningSpec": "supervised_tuning_spec"}.get(
        spec, "preference_optimization_spec"
    )


def _model(call: Call, model: GeminiModel, spec: str) -> list[Violation]:
    method = "supervised" if spec == "supervisedTuningSpec" else "preference"
    found = []
    if not model.tunable or method not in model.methods:
        said = f"Base model {model.id} is not supported for {method} tuning."
        found.append(Violation(f"{ROOT}.base_model", said))
    elif model.tuning_locations and call.location not in model.tuning_locations:
        said = (
            f"Base model {model.id} is not supported in location {call.location}. "
            f"Supported locations: {', '.join(model.tuning_locations)}."
        )
        found.append(Violation(f"{ROOT}.base_model", said))
    if "encryptionSpec" in call.body and not model.kms:
        said = f"CMEK is not supported for base model {model.id}."
        found.append(Violation(f"{ROOT}.encryption_spec", said))
    return found


def _labels(body: dict[str, Any]) -> list[Violation]:
    found = []
    if len(body.get("tunedModelDisplayName", "")) > NAME_LENGTH:
        said = f"The display name must have at most {NAME_LENGTH} characters."
        found.append(Violation(f"{ROOT}.tuned_model_display_name", said))
    for key, value in body.get("labels", {}).items():
        good = LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value)
        if not good or (key + value) != (key + value).lower():
            said = (
                f"Label {key}={value!r} is not valid: keys and values have at most 64 "
                "lowercase letters, digits, underscores and dashes."
            )
            found.append(Violation(f"{ROOT}.labels", said))
    return found


def _parameters(spec: dict[str, Any], model: GeminiModel, name: str) -> list[Violation]:
    where, chosen = f"{ROOT}.{name}.hyper_parameters", spec.get("hyperParameters", {})
    found = []
    size = SIZES.get(chosen.get("adapterSize", ""))
    if size and size not in model.adapter_sizes:
        said = "The adapter size is not supported for this base model."
        found.append(Violation(f"{where}.adapter_size", said))
    if int(chosen.get("epochCount", 1)) < 1:
        found.append(Violation(f"{where}.epoch_count", "epoch_count must be positive."))
    for key, field in (("learningRateMultiplier", "learning_rate_multiplier"), ("beta", "beta")):
        if chosen.get(key, 1) <= 0:
            found.append(Violation(f"{where}.{field}", f"{field} must be positive."))
    for key in ("learningRate", "batchSize"):
        if key in chosen:
            said = f"{key} is not supported for base model {model.id}; it is for open models."
            found.append(Violation(where, said))
    return found


def _datasets(service: EmulatedService, spec: dict[str, Any], name: str) -> list[Violation]:
    found = []
    for key, field in (
        ("trainingDatasetUri", "training_dataset_uri"),
        ("validationDatasetUri", "validation_dataset_uri"),
    ):
        said = _object_fault(service, spec[key]) if spec.get(key) else ""
        if said:
            found.append(Violation(f"{ROOT}.{name}.{field}", said))
    return found


def _object_fault(service: EmulatedService, uri: str) -> str:
    if not re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]+/.+", uri):
        return f"{uri} should be a GCS object of type JSONL: it has to begin with gs://BUCKET/."
    if not uri.endswith(".jsonl"):
        return f"{uri} should be a GCS object of type JSONL."
    content = service.storage.read(uri)
    if content is None:
        return f"{uri} does not exist, or the service agent may not read it."
    first = content.lstrip()[:1]
    return "" if first == b"{" else f"{uri} should be a GCS object of type JSONL."
