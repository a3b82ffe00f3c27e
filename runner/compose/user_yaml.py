"""A user's YAML file, checked before Hydra composes it: it must be readable, must not be able to
run code, and its defaults list must name groups and options that exist.

What is wrong is reported and left out, so that the rest of the file can be judged as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from runner.compose.defaults_list import sound_defaults
from runner.compose.references import outside
from runner.compose.request import Request
from runner.compose.words import did_you_mean, listed, near, place, quoted
from runner.compose.yaml_files import Key, key_lines, read_yaml
from runner.errors import ConfigError, Problem

HYDRA_KEYS: dict[str, type | tuple[type, ...]] = {
    "mode": str,
    "sweeper": dict,
    "sweep": dict,
    "run": dict,
    "output_subdir": (str, type(None)),
}
"""What a YAML may say below ``hydra``. Hydra makes Python objects of other parts of it."""


def read_user_yaml(file: Path) -> dict[str, Any]:
    """The mapping in `file`. Raises ConfigError with file and line when it cannot be read."""
    try:
        content = read_yaml(file)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(file, error)]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"is not UTF-8 text (byte {error.object[error.start]:#x})"
        raise ConfigError([Problem("", message, place(file, line))]) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        message = f"holds {quoted(content)}; an experiment is a mapping, lines of `key: value`"
        raise ConfigError([Problem("", message, place(file, 1))])
    return content


def checked(file: Path, group: str, request: Request) -> dict[str, Any]:
    """The mapping in `file`, an option of `group`, without what is wrong with it."""
    content = read_user_yaml(file)
    lines = key_lines(file)
    faults = dict(_faults(content))
    for key, message in faults.items():
        dotted = ".".join(map(str, key))
        request.report(Problem(dotted, message, place(file, lines.get(key))), doubtful=dotted)
    content = _without(content, faults) if faults else dict(content)
    settings = content.get("hydra")
    if isinstance(settings, dict):
        content["hydra"] = _harmless(settings, file, faults, request)
    elif "hydra" in content:
        message = f"{quoted(settings)} is not a mapping"
        request.report(Problem("hydra", message, place(file, lines.get(("hydra",)))))
        del content["hydra"]
    if "defaults" in content:
        content["defaults"] = sound_defaults(content["defaults"], file, group, request)
    return content


def _faults(content: Any, at: Key = ()) -> Iterator[tuple[Key, str]]:
    """What must not stand in a YAML at all, wherever it stands."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "_target_":
                yield (
                    (*at, key),
                    "is refused: a YAML must not be able to run code; `kind:` chooses what is used",
                )
            if key is None:
                yield (*at, "null"), "is no key; put it in quotes"
            yield from _faults(value, (*at, str(key)))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _faults(value, (*at, number))
    elif isinstance(content, str) and "${" in content:
        try:
            OmegaConf.create([content])
            if reason := outside(content):
                yield at, reason
        except GrammarParseError:
            yield at, f"{quoted(content)} is no reference to a value; for the text write \\${{"


def _without(content: Any, faults: Collection[Key], at: Key = ()) -> Any:
    """A copy of `content` without the keys in `faults`."""
    if isinstance(content, dict):
        return {
            key: _without(value, faults, (*at, str(key)))
            for key, value in content.items()
            if (*at, "null" if key is None else str(key)) not in faults
        }
    if isinstance(content, list):
        kept = [number for number in range(len(content)) if (*at, number) not in faults]
        return [_without(content[number], faults, (*at, number)) for number in kept]
    return content


def _syntax(file: Path, error: yaml.YAMLError) -> Problem:
    """Where YAML stopped making sense, and the usual reason for it."""
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    hint = ""
    if "\t" in line or "'\\t'" in reason:
        hint = "indent with spaces; YAML knows no tabs"
    elif "{{" in line or "${" in line:
        hint = "put a value with braces in quotes"
    elif "mapping values are not allowed" in reason:
        hint = "put a value with `: ` in quotes, or check the indentation"
    at = place(file, mark.line + 1 if mark else None)
    return Problem("", f"is not valid YAML: {reason}", at, hint)


def _harmless(
    settings: dict[str, Any], file: Path, faults: Collection[Key], request: Request
) -> dict[str, Any]:
    """The part of ``hydra`` that is plain settings and has no faults reported already."""
    kept = {}
    for key, value in settings.items():
        if any(found[:2] == ("hydra", str(key)) for found in faults):
            continue
        if problem := _setting(str(key), value):
            where = place(file, key_lines(file).get(("hydra", str(key))))
            request.report(replace(problem, where=where))
        else:
            kept[key] = value
    return kept


def _setting(key: str, value: Any) -> Problem | None:
    """The problem with one entry of ``hydra``, if there is one."""
    name = f"hydra.{key}"
    if key not in HYDRA_KEYS:
        message = f"cannot be set in a YAML; below hydra there may be {listed(HYDRA_KEYS)}"
        return Problem(name, message, hint=did_you_mean(near(key, HYDRA_KEYS)))
    if not isinstance(value, HYDRA_KEYS[key]):
        sort = "a mapping" if HYDRA_KEYS[key] is dict else "text"
        return Problem(name, f"{quoted(value)} is not {sort}")
    if key == "mode" and value not in ("RUN", "MULTIRUN"):
        return Problem(name, f"{quoted(value)} is not allowed; allowed are 'RUN' or 'MULTIRUN'")
    if key == "sweeper" and "${" in repr(value):
        return Problem(name, "must not refer to other values with ${...}")
    params = value.get("params") if isinstance(value, dict) and key == "sweeper" else None
    if params is not None and not isinstance(params, dict):
        return Problem(f"{name}.params", f"{quoted(params)} is not a mapping")
    return None
