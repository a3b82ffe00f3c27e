"""JSON schemas for editors: of an experiment file, and of an option file of each group.

These files hold only differences or a part of a whole, so nothing is required in them; what is
missing after composition is told by `runner.compose.validate`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from runner.compose.yaml_files import Key
from runner.config import Experiment

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


# What the schema knows: its keys, their descriptions, and which model stands at a key.

KIND = "kind"
"""The key that chooses between the models of a union."""


@cache
def descriptions() -> Mapping[str, str]:
    """Every key that can be set, dotted, with its description. Keys in lists are left out."""
    return dict(_walk(Experiment, ""))


def _walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        yield key, docstrings(model).get(name, "")
        for below in _models(field.annotation, in_lists=False):
            yield from _walk(below, f"{key}.")


def _models(annotation: Any, in_lists: bool = True) -> tuple[type[BaseModel], ...]:
    """The models that an annotation mentions, however deep in unions, and in lists."""
    if get_origin(annotation) is list and not in_lists:
        return ()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(model for part in get_args(annotation) for model in _models(part, in_lists))


def models_at(key: Key, config: Any) -> tuple[type[BaseModel], ...]:
    """The model that stands at `key`, by the kinds that `config` names; every kind of it where
    it names none that exists."""
    found = kinds_at(key, config)
    return _of_kind(found, child_at(config, key)) or found


def kinds_at(key: Key, config: Any) -> tuple[type[BaseModel], ...]:
    """The models that may stand at `key`, of whatever kind."""
    found: tuple[type[BaseModel], ...] = (Experiment,)
    for length, part in enumerate(key):
        if isinstance(part, str):
            found = _of_kind(found, child_at(config, key[:length])) or found
            fields = [model.model_fields.get(part) for model in found]
            models = (m for field in fields if field for m in _models(field.annotation))
            found = tuple(dict.fromkeys(models))
    return found


def _of_kind(models: tuple[type[BaseModel], ...], value: Any) -> tuple[type[BaseModel], ...]:
    chosen = value.get(KIND) if isinstance(value, dict) else None
    return tuple(model for model in models if kind_of(model) in (None, chosen))


def kind_of(model: type[BaseModel]) -> str | None:
    """The value of `kind:` that chooses this model; None when it is in no union."""
    field = model.model_fields.get(KIND)
    return get_args(field.annotation)[0] if field else None


def description_at(key: Key, config: Any) -> str:
    """What the schema says of `key`, as the kinds chosen in `config` have it; may be empty."""
    name = key[-1] if key else None
    for model in models_at(key[:-1], config):
        if isinstance(name, str) and name in model.model_fields:
            return docstrings(model).get(name, "")
    return ""


def child_at(value: Any, key: Key) -> Any:
    for part in key:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


# What a schema's fields say about themselves: the docstrings that stand below them.
#
# Pydantic can collect these itself, but it reads the source of every model when it is imported,
# which a command that composes pays for each time (60 ms). Here they are read when they are
# shown.


@cache
def docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Field to docstring, on one line, of a model and of those it inherits from."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found.update(_own(owner))
    return found


def _own(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = " ".join(text.split())
    return found
