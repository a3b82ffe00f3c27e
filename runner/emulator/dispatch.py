"""From a path and a body to an answer: finds the method, reads strictly, calls the handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from runner.emulator.call import Call, canonical
from runner.emulator.discovery import COMMON, VERSIONS, Api, Method, api, split_verb
from runner.emulator.refusals import Refusal, Violation
from runner.emulator.routes import ROUTES
from runner.emulator.schema import read_body
from runner.emulator.service import Service


class SchemaRefusal(Refusal):
    """The request is not one that Google's published API knows."""


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """The method of a request: `name` is the resource path without its custom verb."""

    api: Api
    method: Method
    name: str
    variables: Mapping[str, str]


def find(verb: str, path: str) -> RoutedCall:
    """The published method at a path. Raises a 404 SchemaRefusal for none."""
    version, _, rest = path.lstrip("/").partition("/")
    hit = api(version).find(verb, rest) if version in VERSIONS else None
    if hit is None:
        raise SchemaRefusal(
            404,
            f"{verb} {path} is no method of the Vertex AI API ({', '.join(VERSIONS)}).",
            [Violation("path", "unknown method")],
        )
    method, variables = hit
    variables = {key: unquote(value) for key, value in variables.items()}
    return RoutedCall(api(version), method, canonical(unquote(split_verb(rest)[0])), variables)


def answer(
    service: Service, found: RoutedCall, query: Mapping[str, Sequence[str]], body: Any
) -> dict[str, Any]:
    """The reply of a method. Raises Refusal."""
    known = found.method.parameters | COMMON
    strange = [key for key in query if key not in known]
    if strange:
        said = f'Invalid JSON payload received. Unknown name "{strange[0]}": Cannot bind query '
        violations = [Violation(key, "unknown query parameter") for key in strange]
        raise SchemaRefusal(400, said + "parameter. Field could not be found.", violations)
    handler: Callable[[Service, Call], dict[str, Any]] | None = ROUTES.get(found.method.id)
    if handler is None:
        raise Refusal(501, f"{found.method.id} exists, but this emulator does not have it.")
    read = _read(found, body)
    call = Call(found.api, found.method, found.name, found.variables, query, read)
    return handler(service, call)


def _read(found: RoutedCall, body: Any) -> Any:
    if found.method.request is None:
        if body:
            said = "This method takes no body."
            raise SchemaRefusal(400, said, [Violation("", said)])
        return None
    patch = found.method.id.endswith(".patch")
    schema = found.method.request
    read, violations = read_body(found.api, schema, body or {}, required=not patch)
    if violations:
        raise SchemaRefusal(400, violations[0].description, violations)
    return read
