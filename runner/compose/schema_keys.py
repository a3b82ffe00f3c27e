"""What the schema knows: its keys, their descriptions, and which model stands at a key."""

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

KIND = "kind"
"""The key that chooses between the models of a union."""


@cache
def known_keys() -> tuple[str, ...]:
    """Every key that can be set, dotted. Keys in lists are left out."""
    return tuple(dict.fromkeys(_walk(Experiment, "")))


def _walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        yield key
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
