"""Tuned models as clients see them: get, list, change the default checkpoint, delete."""

from __future__ import annotations

from typing import Any

from runner.emulator.call import Call, page
from runner.emulator.refusals import Refusal, invalid
from runner.emulator.registry import StoredResource
from runner.emulator.registry import models as base_models
from runner.emulator.schema import camel
from runner.emulator.service import EmulatedService

KIND = "models"
CHANGEABLE = {"defaultCheckpointId", "displayName", "description", "labels", "versionAliases"}


def get(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One model; a version that is not there is not found."""
    model = service.find(KIND, call.name)
    version = call.name.partition("@")[2]
    if version not in ("", "default", model.body["versionId"]):
        raise Refusal(404, f"The model version {call.name} is not found.")
    return model.body


def listing(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The tuned models of a location."""
    return page(call, "models", service.registry.all(KIND, call.place))


def versions(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The versions of a model: the newest one only, which is what is kept here."""
    return {"models": [service.find(KIND, call.name).body]}


def checkpoints(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The checkpoints of a model."""
    return {"checkpoints": service.find(KIND, call.name).body["checkpoints"]}


def patch(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Change what the update mask names, or without a mask (google-genai sends none) what the
    body holds. The job shows the default checkpoint's endpoint from then on."""
    model = service.find(KIND, call.name)
    mask = [camel(name) for name in call.one("updateMask").split(",") if name]
    mask = mask or [name for name in call.body if name != "name"]
    wrong = [name for name in mask if name not in CHANGEABLE]
    if not mask or wrong:
        said = f"Cannot update {', '.join(wrong) or 'nothing'}: {', '.join(sorted(CHANGEABLE))}."
        raise invalid("update_mask", said)
    chosen = call.body.get("defaultCheckpointId", "")
    if "defaultCheckpointId" in mask and chosen not in model.inner["handles"]:
        known = ", ".join(model.inner["handles"])
        raise invalid("model.default_checkpoint_id", f"No checkpoint {chosen!r}: {known}.")
    changes = {name: call.body.get(name) for name in mask}
    changed = service.registry.change(model, {**changes, "updateTime": service.clock.stamp()})
    _repoint(service, changed)
    return changed.body


def _repoint(service: EmulatedService, model: StoredResource) -> None:
    endpoint = model.inner["endpoints"].get(model.body["defaultCheckpointId"])
    for job in service.registry.all("tuningJobs"):
        tuned = job.body.get("tunedModel", {})
        if endpoint and tuned.get("model", "").partition("@")[0] == model.name:
            service.registry.change(job, {"tunedModel": {**tuned, "endpoint": endpoint}})


def delete(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Delete a model that is deployed nowhere."""
    model = service.find(KIND, call.name)
    deployed = [link["endpoint"] for link in model.body["deployedModels"]]
    if deployed:
        raise Refusal(
            400,
            f"The Model {model.name} is deployed to the endpoints {', '.join(deployed)}: "
            "undeploy it first.",
            status="FAILED_PRECONDITION",
        )
    service.registry.remove(model)
    return operation(service, call, "DeleteOperationMetadata")


def operation(
    service: EmulatedService, call: Call, metadata: str, **response: Any
) -> dict[str, Any]:
    """A long-running operation that is done already."""
    package = f"type.googleapis.com/google.cloud.aiplatform.{call.api.version}"
    empty = "type.googleapis.com/google.protobuf.Empty"
    body = {
        "done": True,
        "metadata": {"@type": f"{package}.{metadata}"},
        "response": {"@type": empty, **response},
    }
    name = service.new_name(call.name.partition("@")[0], "operations")
    return service.registry.add("operations", name, body).body


def get_operation(service: EmulatedService, call: Call) -> dict[str, Any]:
    """An operation by name."""
    return service.find("operations", call.name).body


def publisher(service: EmulatedService, call: Call) -> dict[str, Any]:
    """A base model of Google's."""
    from runner.emulator.service import base_model

    return _published(base_model(call.name).id)


def publishers(service: EmulatedService, call: Call) -> dict[str, Any]:
    """All base models."""
    return {"publisherModels": [_published(name) for name in base_models()]}


def _published(name: str) -> dict[str, Any]:
    return {"name": f"publishers/google/models/{name}", "versionId": "001", "launchStage": "GA"}
