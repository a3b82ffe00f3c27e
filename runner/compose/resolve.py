"""A draft's config with its references followed, and what could not be followed."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from runner.compose.values import outside
from runner.compose.yaml_files import Key

MISSING = "???"


def resolved(
    base: Mapping[str, Any], values: Sequence[tuple[str, Any]]
) -> tuple[dict[str, Any], dict[Key, str]]:
    """`base` with `values` (dotted keys) set on top in turn and all ``${...}`` followed.

    Returns plain values without those that are missing (``???``) or cannot be had, and these:
    key to what is wrong, empty where a value is just not there.
    """
    if (merged := _merged(base, values)) is not None:
        return merged, {}
    wrong: dict[Key, str] = {}
    tree = OmegaConf.create(_inside(dict(base), (), wrong))
    for key, value in values:
        try:
            value = _inside(value, tuple(key.split(".")), wrong)
            # A mapping sets the keys it names; one that names none empties what is there.
            OmegaConf.update(tree, key, value, merge=value != {}, force_add=True)
        except (OmegaConfBaseException, TypeError, ValueError, IndexError) as error:
            wrong[tuple(key.split("."))] = refused(error)
    try:
        plain = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException:
        wrong.update(_unresolvable(tree, ()))
        plain = OmegaConf.to_container(tree, resolve=True)
    assert isinstance(plain, dict)
    config = {str(key): value for key, value in plain.items()}
    missing = dict.fromkeys(_missing(config, ()), "")
    return _without(config, missing, ()), {**missing, **wrong}


class _NotPlain(Exception):
    """There is something that OmegaConf has to look at."""


def _merged(base: Mapping[str, Any], values: Sequence[tuple[str, Any]]) -> dict[str, Any] | None:
    """What OmegaConf would give, where nothing refers to anything and nothing is missing: it takes
    milliseconds to make its nodes, and a sweep asks for a thousand of them. Else None."""
    try:
        config: dict[str, Any] = _plain(base)
        for key, value in values:
            *parents, last = key.split(".")
            group = config
            for name in parents:
                group = group.setdefault(name, {})
                if not isinstance(group, dict):
                    raise _NotPlain
            group[last] = _over(group.get(last), _plain(value))
    except _NotPlain:
        return None
    return config


def _plain(value: Any) -> Any:
    """A copy of JSON-like values. Raises _NotPlain for all else."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise _NotPlain
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str) or "${" in value or value == MISSING:
        raise _NotPlain
    return value


def _over(before: Any, value: Any) -> Any:
    """`value` on top of `before`: a mapping sets the keys it names; an empty one empties."""
    both = isinstance(before, dict | list) and isinstance(value, dict | list)
    if both and type(before) is not type(value):
        raise _NotPlain
    if not (value and isinstance(value, dict) and isinstance(before, dict)):
        return value
    return before | {key: _within(before.get(key), item) for key, item in value.items()}


def _within(before: Any, value: Any) -> Any:
    """As `_over` inside of a mapping, where an empty one leaves what there is."""
    return before if value == {} and isinstance(before, dict) else _over(before, value)


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
            yield here, refused(error)
        else:
            if isinstance(child, DictConfig | ListConfig) and not OmegaConf.is_interpolation(
                node, key
            ):
                yield from _unresolvable(child, here)


def refused(error: BaseException) -> str:
    """Why a value could not be set on top of a config: OmegaConf's first line, since the following
    ones name its internals."""
    no_number = isinstance(error, ValueError) and not isinstance(error, OmegaConfBaseException)
    if no_number or isinstance(error, IndexError):
        return "a list's items go by number, from 0 to the last: give the whole list instead"
    said = str(error).splitlines()[0].strip()
    if said == "Cannot merge DictConfig with ListConfig":
        return "this is a mapping, and a list was given: write `{KEY: VALUE}`"
    return said


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


# Relative paths made absolute: those in YAML belong to the experiment's folder, those typed on
# the command line to the working directory; folders the runner writes to always to the latter.

Change = Callable[[str, Path], str]
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SQLITE = "sqlite:///"
SUITES = "prepare.leakage.suites"
FILES = ("files", "gemini", "chat")
"""Kinds of source whose splits are files; the others name something else by them."""


def make_absolute(config: dict[str, Any], folder: Path, typed: Container[str]) -> None:
    """Rewrite the paths in `config` in place. `typed` holds the keys set on the command line."""
    cwd = Path.cwd()

    def base(key: str) -> Path:
        parents = (key.rsplit(".", cut)[0] for cut in range(key.count(".") + 1))
        return cwd if any(name in typed for name in parents) else folder

    source = config.get("source")
    if isinstance(source, dict) and source.get("kind") in FILES:
        for split in {"train", "validation", "test"} & source.keys():
            source[split] = _files(source[split], base(f"source.{split}"))
    model = MODELS.get(str(_group(config, "model").get("kind")))
    for key, change in {**PATHS, **({"model.path": model} if model else {})}.items():
        parent, _, name = key.rpartition(".")
        _rewrite(_group(config, parent), name, change, base(key))
    suites = _group(config, SUITES)
    for name in suites:
        _rewrite(suites, name, _joined, base(f"{SUITES}.{name}"))
    for group, key in (("paths", "home"), ("paths", "models"), ("store", "root")):
        _rewrite(_group(config, group), key, _joined, cwd)
    _rewrite(_group(config, "tracking"), "uri", _sqlite, cwd)


def _files(value: Any, folder: Path) -> Any:
    """A split's path, its list of paths, or of mappings with a path."""
    if isinstance(value, list):
        return [_files(item, folder) for item in value]
    if isinstance(value, dict):
        return {key: _files(item, folder) if key == "path" else item for key, item in value.items()}
    return _joined(value, folder) if isinstance(value, str) and value != "???" else value


def _group(config: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping at a dotted key; an empty one where there is none."""
    found: Any = config
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _rewrite(group: dict[str, Any], key: str, change: Change, folder: Path) -> None:
    if isinstance(group.get(key), str) and group[key] != "???":
        group[key] = change(group[key], folder)


def _joined(path: str, folder: Path) -> str:
    """`path` as an absolute one. A folder's own ``*`` or ``[`` is no part of a glob."""
    expanded = Path(path).expanduser()
    if not path or _URL.match(path) or expanded.is_absolute():
        return str(expanded) if path.startswith("~") else path
    if glob.has_magic(path):
        return f"{glob.escape(str(folder))}/{path}"
    return str(Path(folder, path).resolve())


def _if_there(name: str, folder: Path) -> str:
    """Absolute when `name` is a folder on disk; else it is an id and stays."""
    joined = _joined(name, folder)
    return joined if Path(joined).is_dir() else name


def _sqlite(uri: str, folder: Path) -> str:
    path = uri.removeprefix(_SQLITE)
    if path == uri or path.startswith(("/", ":memory:")) or not path:
        return uri
    return f"{_SQLITE}{(folder / path).resolve()}"


PATHS: dict[str, Change] = {
    "source.dataset": _if_there,
    "source.media_root": _joined,
    "source.tracking_uri": _sqlite,
    "prepare.dedup.fuzzy.index": _joined,
    "prepare.leakage.semantic.encoder.model": _if_there,
    "prepare.select.diverse.encoder.model": _if_there,
    "prepare.select.hard.scores": _joined,
    "skew.production": _joined,
    "guard.rows": _joined,
    "skew.tracking_uri": _sqlite,
}
"""Every key with a path of a file or folder that is read, but for the splits of a source, suites
and models."""
MODELS: dict[str, Change] = {"gguf": _joined, "huggingface": _if_there}
