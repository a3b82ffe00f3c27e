"""One request to an API method, already read: what handlers are given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.emulator.discovery import Api, Method


@dataclass(frozen=True, slots=True)
class Call:
    """`name` is the path below the version without its custom verb, with the project's
    number in place of its id, as the service writes it in every name it returns."""

    api: Api
    method: Method
    name: str
    variables: Mapping[str, str]
    """Path variables as discovery names them, e.g. ``locationsId``."""
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: Any = None

    @property
    def location(self) -> str:
        return self.variables.get("locationsId", "global")

    @property
    def place(self) -> str:
        """``projects/NUMBER/locations/L``."""
        return "/".join(self.name.split("/")[:4])

    def one(self, parameter: str, default: str = "") -> str:
        """A query parameter's only value."""
        return (self.query.get(parameter) or [default])[-1]


def project_number(project: str) -> str:
    """The number of a project id: made up, always the same; a number stays as it is."""
    if project.isdigit():
        return project
    return str(
        10**11 + int.from_bytes(hashlib.sha256(project.encode()).digest()[:6], "big") % 10**11
    )


def canonical(name: str) -> str:
    """A resource name with its project's number."""
    parts = name.split("/")
    if len(parts) > 1 and parts[0] == "projects":
        parts[1] = project_number(parts[1])
    return "/".join(parts)
