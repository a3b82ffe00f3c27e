"""The standard list methods: filters and pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any

from runner.emulator.call import Call
from runner.emulator.refusals import invalid
from runner.emulator.registry import Resource

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


def page(call: Call, key: str, found: Sequence[Resource]) -> dict[str, Any]:
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
