"""One request to an API method, already read: what handlers are given."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.emulator.refusals import invalid
from runner.emulator.registry import StoredResource
from runner.emulator.schema import Api, Method


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


# The standard list methods: filters and pages.

TERM = re.compile(
    r"""\s*(?P<not>NOT\s+|-)?(?P<key>[A-Za-z_][\w.\-]*)\s*(?P<op>!=|=|:)\s*
    (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"()]+))\s*""",
    re.VERBOSE,
)
LARGEST = 1000


def matcher(text: str) -> Callable[[dict[str, Any]], bool]:
    """A filter such as ``labels.sft-arm="x" AND state=JOB_STATE_RUNNING`` as a test of a body.
    ``key:*`` asks whether the key is there. Raises a 400 Refusal for anything else."""
    tests: list[Callable[[dict[str, Any]], bool]] = []
    rest = text
    while rest.strip():
        found = TERM.match(rest)
        if not found:
            raise invalid("filter", f"Invalid filter: {text!r}: cannot read {rest.strip()!r}.")
        tests.append(_term(found))
        rest = rest[found.end() :]
        rest = re.sub(r"^AND\b", "", rest)
    return lambda body: all(test(body) for test in tests)


def _term(found: re.Match[str]) -> Callable[[dict[str, Any]], bool]:
    quoted = found["quoted"]
    wanted = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found["plain"]
    present = found["op"] == ":" and wanted == "*"
    negative = bool(found["not"]) != (found["op"] == "!=")

    def test(body: dict[str, Any]) -> bool:
        value = _value(body, found["key"])
        hit = value is not None if present else value is not None and str(value) == wanted
        return hit != negative

    return test


def _value(body: dict[str, Any], key: str) -> Any:
    head, _, tail = key.partition(".")
    names = (head, re.sub(r"_(\w)", lambda found: found[1].upper(), head))
    value = next((body[name] for name in names if name in body), None)
    if tail:
        return value.get(tail) if isinstance(value, dict) else None
    return value


def page(call: Call, key: str, found: Sequence[StoredResource]) -> dict[str, Any]:
    """The reply of a list method: filtered bodies under `key`, cut into pages."""
    passes = matcher(call.one("filter"))
    bodies = [resource.body for resource in found if passes(resource.body)]
    size, start = _size(call), _start(call)
    reply: dict[str, Any] = {key: bodies[start : start + size]} if bodies else {}
    if start + size < len(bodies):
        reply["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return reply


def _size(call: Call) -> int:
    text = call.one("pageSize", "0")
    if not text.isdigit():
        raise invalid("page_size", f"page_size must be a number from 0, not {text!r}.")
    return min(int(text) or 100, LARGEST)


def _start(call: Call) -> int:
    token = call.one("pageToken")
    try:
        return int(base64.urlsafe_b64decode(token.encode())) if token else 0
    except ValueError:
        raise invalid("page_token", "The page token is not valid.") from None
