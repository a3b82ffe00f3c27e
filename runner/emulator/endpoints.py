"""Endpoints as clients see them: get, list, undeploy, delete."""

from __future__ import annotations

from typing import Any

from runner.emulator.call import Call
from runner.emulator.listing import page
from runner.emulator.models import operation
from runner.emulator.refusals import Refusal, invalid
from runner.emulator.service import Service

KIND = "endpoints"


def get(service: Service, call: Call) -> dict[str, Any]:
    """One endpoint."""
    return service.find(KIND, call.name).body


def listing(service: Service, call: Call) -> dict[str, Any]:
    """The endpoints of a location."""
    return page(call, "endpoints", service.registry.all(KIND, call.place))


def undeploy(service: Service, call: Call) -> dict[str, Any]:
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


def delete(service: Service, call: Call) -> dict[str, Any]:
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
