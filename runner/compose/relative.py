"""Relative paths made absolute: those in YAML belong to the experiment's folder, those typed on
the command line to the working directory; folders the runner writes to always to the latter."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import Any

_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SQLITE = "sqlite:///"


def make_absolute(config: dict[str, Any], folder: Path, typed: Container[str]) -> None:
    """Rewrite the paths in `config` in place. `typed` holds the keys set on the command line."""
    cwd = Path.cwd()

    def base(key: str) -> Path:
        parents = (key.rsplit(".", cut)[0] for cut in range(key.count(".") + 1))
        return cwd if any(name in typed for name in parents) else folder

    source, model = config.get("source"), config.get("model")
    if isinstance(source, dict):
        _source(source, base)
    if isinstance(model, dict):
        _model(model, base)
    prepare = config.get("prepare")
    hard = (prepare.get("select") or {}).get("hard") if isinstance(prepare, dict) else None
    _rewrite(hard, "scores", lambda path: _joined(path, base("prepare.select.hard.scores")))
    dedup = prepare.get("dedup") if isinstance(prepare, dict) else None
    fuzzy = dedup.get("fuzzy") if isinstance(dedup, dict) else None
    _rewrite(fuzzy, "index", lambda path: _joined(path, base("prepare.dedup.fuzzy.index")))
    leakage = prepare.get("leakage") if isinstance(prepare, dict) else None
    suites = leakage.get("suites") if isinstance(leakage, dict) else None
    for name in suites if isinstance(suites, dict) else ():
        _rewrite(suites, name, partial(_joined, folder=base(f"prepare.leakage.suites.{name}")))
    for group, key in (("paths", "home"), ("paths", "models"), ("store", "root")):
        _rewrite(config.get(group), key, lambda path: _joined(path, cwd))
    _rewrite(config.get("tracking"), "uri", lambda uri: _sqlite(uri, cwd))


def _source(source: dict[str, Any], base: Callable[[str], Path]) -> None:
    if source.get("kind") == "hub":
        _rewrite(source, "dataset", lambda path: _if_there(path, base("source.dataset")))
        return
    for split in {"train", "validation", "test"} & source.keys():
        source[split] = _files(source[split], base(f"source.{split}"))


def _files(value: Any, folder: Path) -> Any:
    """A split's path, its list of paths, or of mappings with a path."""
    if isinstance(value, list):
        return [_files(item, folder) for item in value]
    if isinstance(value, dict):
        return {key: _files(item, folder) if key == "path" else item for key, item in value.items()}
    return _joined(value, folder) if isinstance(value, str) and value != "???" else value


def _model(model: dict[str, Any], base: Callable[[str], Path]) -> None:
    folder = base("model.path")
    if model.get("kind") == "gguf":
        _rewrite(model, "path", lambda path: _joined(path, folder))
    elif model.get("kind") == "huggingface":
        _rewrite(model, "path", lambda path: _if_there(path, folder))


def _rewrite(group: Any, key: str, change: Callable[[str], str]) -> None:
    if isinstance(group, dict) and isinstance(group.get(key), str) and group[key] != "???":
        group[key] = change(group[key])


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


def _sqlite(uri: str, cwd: Path) -> str:
    path = uri.removeprefix(_SQLITE)
    if path == uri or path.startswith(("/", ":memory:")) or not path:
        return uri
    return f"{_SQLITE}{(cwd / path).resolve()}"
