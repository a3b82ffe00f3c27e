"""The schema's complaints, brought down to the keys a user writes.

Pydantic puts the names of union members into its paths and complains once for each member that
did not fit; here every complaint has the path as it stands in YAML, and a value has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.compose.known import KIND
from runner.compose.yaml_files import Key

SORTS = {
    "string_type": "text",
    "list_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "model_attributes_type": "a mapping",
}
"""Complaints about what sort of thing a value is, and the sort that was expected."""

_KINDS = {"union_tag_invalid", "union_tag_not_found"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One complaint of pydantic's."""

    key: Key
    type: str
    """Pydantic's name for it, such as ``extra_forbidden``."""
    message: str
    value: Any
    context: Mapping[str, Any]
    sorts: tuple[str, ...] = field(default=())
    """What sorts of things would have fitted, when that is the complaint."""


def faults(errors: Sequence[Mapping[str, Any]], config: Any) -> list[Fault]:
    """Pydantic's `errors` on `config`, those left out that only say a union member did not fit
    when something deeper says why."""
    found = [fault for error in errors for fault in _each(error, config)]
    kept: dict[tuple[Key, bool], Fault] = {}
    for fault in found:
        if fault.sorts and any(_below(other.key, fault.key) for other in found):
            continue
        at = (fault.key, bool(fault.sorts))
        sorts = (*kept[at].sorts, *fault.sorts) if at in kept else fault.sorts
        kept[at] = replace(kept.get(at, fault), sorts=tuple(dict.fromkeys(sorts)))
    return list(kept.values())


def _each(error: Mapping[str, Any], config: Any) -> Iterator[Fault]:
    """One fault an error; values that do not go together are one each."""
    if error["type"] != "does_not_fit":
        yield _fault(error, config)
        return
    for misfit in error["ctx"]["all"]:
        yield Fault(tuple(misfit.key.split(".")), "value_error", misfit.message, None, {})


def _fault(error: Mapping[str, Any], config: Any) -> Fault:
    kind, loc = error["type"], error["loc"]
    own = loc[-1:] if kind == "missing" else (KIND,) if kind in _KINDS else ()
    key = (*_written(loc[:-1] if kind == "missing" else loc, config), *own)
    sorts = (SORTS[kind],) if kind in SORTS else ()
    return Fault(key, kind, error["msg"], error["input"], error.get("ctx", {}), sorts)


def _written(loc: Sequence[str | int], config: Any) -> Iterator[str | int]:
    """The parts of `loc` that stand in `config`: not kinds and not names of union members."""
    value, untagged = config, True
    for part in loc:
        if isinstance(value, dict) and untagged and value.get(KIND) == part:
            untagged = False
        elif _has(value, part):
            yield part
            value, untagged = value[part], True


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _below(key: Key, other: Key) -> bool:
    return len(key) > len(other) and key[: len(other)] == other
