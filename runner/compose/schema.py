"""JSON schemas for editors: of an experiment file, and of an option file of each group.

These files hold only differences or a part of a whole, so nothing is required in them; what is
missing after composition is told by `runner.compose.validate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEFAULTS: dict[str, Any] = {
    "type": "array",
    "description": "Options swapped against the usual ones, e.g. `- override /model: gguf`.",
    "items": {
        "anyOf": [
            {"type": "string", "description": "`_self_`, or a file beside this one to build on."},
            {"type": "object", "minProperties": 1, "maxProperties": 1},
        ]
    },
}

_HYDRA: dict[str, Any] = {
    "type": "object",
    "description": "Hydra's own settings; `sweeper.params` holds a sweep in Hydra's form.",
    "properties": {
        "mode": {"enum": ["RUN", "MULTIRUN"]},
        "sweeper": {"type": "object", "properties": {"params": {"type": "object"}}},
        "sweep": {"type": "object"},
        "run": {"type": "object"},
        "output_subdir": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}


def schema_json() -> dict[str, Any]:
    """The schema of an experiment file: every group optional, `defaults` and `hydra` allowed."""
    return _for_file((), "A file for `sft run`: only differences.", {"hydra": _HYDRA})


def group_schema(group: str) -> dict[str, Any]:
    """The schema of an option file of `group`, such as ``prepare/dedup``."""
    return _for_file(tuple(group.split("/")), f"An option of the group {group}.", {})


def _for_file(keys: tuple[str, ...], title: str, more: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file with what stands at `keys`, and with a defaults list."""
    from runner import config

    part = _loosened(config.Experiment.model_json_schema())
    definitions = part.pop("$defs")
    _describe({**definitions, "Experiment": part})
    for key in keys:
        part = _followed(part["properties"][key], definitions)
    kinds = [_followed(kind, definitions) for kind in part.get("anyOf", [part])]
    reference = {"defaults": {"$ref": "#/$defs/Defaults"}}
    bodies = [{**kind, "properties": {**reference, **more, **kind["properties"]}} for kind in kinds]
    body = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
    used = _used(body, {**definitions, "Defaults": _DEFAULTS})
    return {"$schema": _DIALECT, **body, "title": title, "$defs": used}


def _describe(definitions: dict[str, Any]) -> None:
    """Give every property the docstring of its field."""
    from runner.compose.schema_keys import docstrings
    from runner.config import Group

    models = {model.__name__: model for model in _below(Group)}
    for name, definition in definitions.items():
        about = docstrings(models[name])
        for key, part in definition.get("properties", {}).items():
            if key in about:
                part["description"] = about[key]


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _below(child)


def _followed(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The definition behind a reference."""
    target: dict[str, Any] | None = definitions.get(part.get("$ref", "").rpartition("/")[2])
    return target if target is not None else part


def _used(part: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions that `part` refers to, and those that they refer to."""
    used: dict[str, Any] = {}
    todo = [part]
    while todo:
        found = todo.pop()
        todo += list(found.values() if isinstance(found, dict) else found)
        name = found.get("$ref", "").rpartition("/")[2] if isinstance(found, dict) else ""
        if name and name not in used:
            used[name] = definitions[name]
            todo.append(definitions[name])
        todo = [item for item in todo if isinstance(item, dict | list)]
    return dict(sorted(used.items()))


def _loosened(part: Any) -> Any:
    """A copy in which no key is required and any one kind of a union may be written in part."""
    if isinstance(part, list):
        return [_loosened(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _loosened(value) for key, value in part.items()}
    if isinstance(kept.get("required"), list):
        del kept["required"]
    if "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
        kept.pop("discriminator", None)
    return kept
