"""Deleting what a tuning job left, each thing by its full name; what is gone already is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runner.backends.vertex.clients import Clients, location_of
from runner.backends.vertex.errors import translated
from runner.base.errors import BackendError
from runner.records import Resource

if TYPE_CHECKING:
    from runner.config import VertexBackendSettings

ORDER = ("endpoint", "model", "experiment", "object")
"""A model can be deleted once it is deployed nowhere, so its endpoints go first."""
OPERATION_SECONDS = 600


class VertexCleaner:
    """See `runner.backends.protocol.ResourceCleaner`."""

    def __init__(self, settings: VertexBackendSettings) -> None:
        self._clients = Clients(settings)

    @property
    def kinds(self) -> tuple[str, ...]:
        """A model goes after the endpoints that it is deployed to."""
        return ORDER

    def delete(self, resource: Resource) -> bool:
        """Delete one resource; False when it was not there any more."""
        return delete(self._clients, resource)

    def close(self) -> None:
        """Let go of connections."""
        self._clients.close()


def delete(clients: Clients, resource: Resource) -> bool:
    """Delete one resource; False when it was not there any more. Raises BackendError."""
    from google.api_core.exceptions import NotFound

    make_gone: dict[str, Callable[[Clients, str], None]] = {
        "endpoint": _endpoint,
        "model": _model,
        "experiment": _experiment,
        "object": _object,
    }
    if resource.kind not in make_gone:
        raise BackendError(f"do not know how to delete a {resource.kind}: {resource.name}")
    with translated(f"deleting {resource.name}"):
        try:
            make_gone[resource.kind](clients, resource.name)
        except NotFound:
            return False
    return True


def _endpoint(clients: Clients, name: str) -> None:
    """An endpoint that answers cannot be deleted: what is deployed on it goes off first."""
    service = clients.endpoints(location_of(name))
    for deployed in service.get_endpoint(name=name).deployed_models:
        _done(service.undeploy_model(endpoint=name, deployed_model_id=deployed.id))
    _done(service.delete_endpoint(name=name))


def _model(clients: Clients, name: str) -> None:
    """The version that the job made; the model itself when it has no other."""
    from google.api_core.exceptions import InvalidArgument

    service = clients.models(location_of(name))
    whole, _, version = name.partition("@")
    if version:
        versions = [found.version_id for found in service.list_model_versions(name=whole)]
        if version not in versions:
            return
        if len(versions) > 1:
            try:
                _done(service.delete_model_version(name=name))
            except InvalidArgument as error:
                raise BackendError(
                    f"{name} cannot be deleted while it is the model's default version"
                ) from error
            return
    _done(service.delete_model(name=whole))


def _experiment(clients: Clients, name: str) -> None:
    """The metadata context of a job with its runs."""
    service = clients.metadata(location_of(name))
    _done(service.delete_context(request={"name": name, "force": True}))


def _object(clients: Clients, name: str) -> None:
    """An object; or, by a name that ends in a slash, all objects below it."""
    bucket, _, path = name.removeprefix("gs://").partition("/")
    if name.endswith("/"):
        for blob in clients.storage.list_blobs(bucket, prefix=path):
            blob.delete()
        return
    clients.storage.bucket(bucket).blob(path).delete()


def _done(operation: Any) -> None:
    """Wait for the service to have done it."""
    operation.result(timeout=OPERATION_SECONDS)
