"""What a finished job leaves: a tuned model, and an endpoint for each of its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.config import GeminiModel
from runner.emulator.call import Call, page
from runner.emulator.models import operation
from runner.emulator.refusals import Refusal, invalid
from runner.emulator.registry import StoredResource, serving_location
from runner.emulator.service import EmulatedService
from runner.emulator.trainer import SavedCheckpoint


def deploy(
    service: EmulatedService,
    job: StoredResource,
    model: GeminiModel,
    saved: Sequence[SavedCheckpoint],
) -> dict[str, Any]:
    """Make model and endpoints where the model serves; returns the job's `tunedModel`.
    The last checkpoint is the default one."""
    place = f"{job.name.split('/locations/')[0]}/locations/"
    place += serving_location(model, job.inner["location"])
    tuned = _model(service, job, model, place, saved)
    checkpoints = []
    for number, one in enumerate(saved, 1):
        endpoint = _endpoint(service, tuned, place, str(number), one, model)
        entry = {"checkpointId": str(number), "epoch": str(one.epoch), "step": str(one.step)}
        checkpoints.append({**entry, "endpoint": endpoint.name})
    spec = job.body.get("supervisedTuningSpec") or job.body["preferenceOptimizationSpec"]
    shown = {} if spec.get("exportLastCheckpointOnly") else {"checkpoints": checkpoints}
    return {
        "model": f"{tuned.name}@{tuned.body['versionId']}",
        "endpoint": checkpoints[-1]["endpoint"],
        **shown,
    }


def _model(
    service: EmulatedService,
    job: StoredResource,
    model: GeminiModel,
    place: str,
    saved: Sequence[SavedCheckpoint],
) -> StoredResource:
    """A new model; or a new version, when the job goes on from a model of the same name."""
    title = job.body.get("tunedModelDisplayName") or f"tuned-{model.id}"
    method = "sft" if "supervisedTuningSpec" in job.body else "dpo"
    labels = {
        **job.body.get("labels", {}),
        "google-vertex-llm-tuning-base-model-id": model.id.replace(".", "-"),
        "tune-type": method,
    }
    ids = [str(number) for number in range(1, len(saved) + 1)]
    body = service.stamped(
        displayName=title,
        labels=labels,
        checkpoints=[
            {"checkpointId": number, "epoch": str(one.epoch), "step": str(one.step)}
            for number, one in zip(ids, saved, strict=True)
        ],
        defaultCheckpointId=ids[-1],
        versionAliases=["default"],
        modelSourceInfo={"sourceType": "GENIE"},
        deployedModels=[],
    )
    handles = {number: one.handle for number, one in zip(ids, saved, strict=True)}
    inner = {"handles": handles, "model": model.id, "endpoints": {}}
    earlier = _earlier(service, job, title)
    if earlier:
        version = str(int(earlier.body["versionId"]) + 1)
        return service.registry.change(earlier, {**body, "versionId": version}, inner)
    name = service.new_name(place, "models")
    return service.registry.add("models", name, {**body, "versionId": "1"}, inner)


def _earlier(service: EmulatedService, job: StoredResource, title: str) -> StoredResource | None:
    from runner.emulator.call import canonical

    chosen = job.body.get("preTunedModel", {}).get("tunedModelName", "")
    name = canonical(chosen).partition("@")[0]
    found = service.registry.get("models", name) if name else None
    return found if found and found.body["displayName"] == title else None


def _endpoint(
    service: EmulatedService,
    tuned: StoredResource,
    place: str,
    number: str,
    one: SavedCheckpoint,
    model: GeminiModel,
) -> StoredResource:
    """An endpoint with one checkpoint deployed to it."""
    name = service.new_name(place, "endpoints")
    deployed = {
        "id": service.registry.new_id(service.seed),
        "model": tuned.name,
        "modelVersionId": tuned.body["versionId"],
        "checkpointId": number,
        "displayName": tuned.body["displayName"],
        "createTime": service.clock.stamp(),
    }
    body = service.stamped(
        displayName=tuned.body["displayName"],
        deployedModels=[deployed],
        trafficSplit={deployed["id"]: 100},
        labels=tuned.body["labels"],
    )
    made = service.registry.add("endpoints", name, body, {"handle": one.handle, "model": model.id})
    found = service.registry.get("models", tuned.name) or tuned
    link = {"endpoint": name, "deployedModelId": deployed["id"]}
    service.registry.change(
        tuned,
        {"deployedModels": [*found.body["deployedModels"], link]},
        {"endpoints": {**found.inner["endpoints"], number: name}},
    )
    return made


# Endpoints as clients see them: get, list, undeploy, delete.

KIND = "endpoints"


def get(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One endpoint."""
    return service.find(KIND, call.name).body


def listing(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The endpoints of a location."""
    return page(call, "endpoints", service.registry.all(KIND, call.place))


def undeploy(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Take a model off an endpoint; it answers nothing afterwards."""
    endpoint = service.find(KIND, call.name)
    wanted = call.body["deployedModelId"]
    deployed = endpoint.body["deployedModels"]
    if wanted not in [one["id"] for one in deployed]:
        raise invalid("deployed_model_id", f"No deployed model {wanted} on {endpoint.name}.")
    left = [one for one in deployed if one["id"] != wanted]
    service.registry.change(endpoint, {"deployedModels": left, "trafficSplit": {}})
    for one in deployed:
        model = service.registry.get("models", one["model"])
        if one["id"] == wanted and model:
            links = [x for x in model.body["deployedModels"] if x["endpoint"] != endpoint.name]
            service.registry.change(model, {"deployedModels": links})
    package = f"type.googleapis.com/google.cloud.aiplatform.{call.api.version}"
    kind = {"@type": f"{package}.UndeployModelResponse"}
    return operation(service, call, "UndeployModelOperationMetadata", **kind)


def delete(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Delete an endpoint that has nothing deployed."""
    endpoint = service.find(KIND, call.name)
    if endpoint.body["deployedModels"]:
        raise Refusal(
            400,
            f"Endpoint {endpoint.name} has deployed or being-deployed DeployedModel(s): "
            f"{', '.join(one['id'] for one in endpoint.body['deployedModels'])}.",
            status="FAILED_PRECONDITION",
        )
    service.registry.remove(endpoint)
    return operation(service, call, "DeleteOperationMetadata")
