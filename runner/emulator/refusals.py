"""How the service says no: Google's error payload, and the exception that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""HTTP code to `google.rpc.Code` name."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its proto path (``tuning_job.base_model``) and the rule."""

    field: str
    description: str


class Refusal(Exception):
    """A request is answered with an error. `body` is the payload as Google sends it."""

    def __init__(
        self,
        code: int,
        message: str,
        violations: Sequence[Violation] = (),
        *,
        status: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUSES[code]
        self.violations = tuple(violations)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """``{"error": {code, message, status, details: [google.rpc.BadRequest]}}``."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        if self.violations:
            found = [{"field": v.field, "description": v.description} for v in self.violations]
            kind = "type.googleapis.com/google.rpc.BadRequest"
            error["details"] = [{"@type": kind, "fieldViolations": found}]
        return {"error": error}


def invalid(field: str, description: str) -> Refusal:
    """A 400 about one field."""
    return Refusal(400, description, [Violation(field, description)])


def not_found(name: str) -> Refusal:
    """A 404 about a resource that is not there."""
    return Refusal(404, f"The resource {name} is not found.")
