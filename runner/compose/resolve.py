"""A draft's config with its references followed, and what could not be followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from runner.compose.references import outside
from runner.compose.yaml_files import Key

MISSING = "???"


def resolved(
    base: Mapping[str, Any], values: Sequence[tuple[str, Any]]
) -> tuple[dict[str, Any], dict[Key, str]]:
    """`base` with `values` (dotted keys) set on top in turn and all ``${...}`` followed.

    Returns plain values without those that are missing (``???``) or cannot be had, and these:
    key to what is wrong, empty where a value is just not there.
    """
    wrong: dict[Key, str] = {}
    tree = OmegaConf.create(_inside(dict(base), (), wrong))
    for key, value in values:
        try:
            value = _inside(value, tuple(key.split(".")), wrong)
            # A mapping sets the keys it names; one that names none empties what is there.
            OmegaConf.update(tree, key, value, merge=value != {}, force_add=True)
        except (OmegaConfBaseException, TypeError) as error:
            wrong[tuple(key.split("."))] = _reason(error)
    try:
        plain = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException:
        wrong.update(_unresolvable(tree, ()))
        plain = OmegaConf.to_container(tree, resolve=True)
    assert isinstance(plain, dict)
    config = {str(key): value for key, value in plain.items()}
    missing = dict.fromkeys(_missing(config, ()), "")
    return _without(config, missing, ()), {**missing, **wrong}


def _inside(value: Any, at: Key, wrong: dict[Key, str]) -> Any:
    """A copy of `value`, which stands at `at`, without references that are refused; those are
    entered into `wrong`. YAML was checked already, so these come from the command line."""
    if isinstance(value, dict):
        return {key: _inside(item, (*at, str(key)), wrong) for key, item in value.items()}
    if isinstance(value, list):
        return [_inside(item, (*at, number), wrong) for number, item in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        try:
            reason = outside(value)
        except GrammarParseError:
            return value  # OmegaConf will say so when it is asked for the value
        if reason:
            wrong[at] = reason
            return MISSING
    return value


def _unresolvable(node: DictConfig | ListConfig, at: Key) -> Iterator[tuple[Key, str]]:
    """References that cannot be followed; each is made missing in `node`."""
    keys: Any = list(node.keys()) if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        here: Key = (*at, key if isinstance(key, int) else str(key))
        try:
            child = None if OmegaConf.is_missing(node, key) else node[key]
        except InterpolationToMissingValueError:
            node[key] = MISSING
        except OmegaConfBaseException as error:
            node[key] = MISSING
            yield here, _reason(error)
        else:
            if isinstance(child, DictConfig | ListConfig) and not OmegaConf.is_interpolation(
                node, key
            ):
                yield from _unresolvable(child, here)


def _reason(error: Exception) -> str:
    """OmegaConf's first line; the following ones name its internals."""
    return str(error).splitlines()[0].strip()


def _missing(value: Any, at: Key) -> Iterator[Key]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _missing(item, (*at, str(key)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _missing(item, (*at, number))
    elif value == MISSING:
        yield at


def _without(value: Any, missing: Mapping[Key, str], at: Key) -> Any:
    if isinstance(value, dict):
        items = ((key, item, (*at, str(key))) for key, item in value.items())
        return {key: _without(item, missing, k) for key, item, k in items if k not in missing}
    if isinstance(value, list):
        return [_without(item, missing, (*at, number)) for number, item in enumerate(value)]
    return value
