"""A user's YAML file, checked before Hydra composes it: it must be readable, must not be able to
run code, and its defaults list must name groups and options that exist.

What is wrong is reported and left out, so that the rest of the file can be validated as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from runner.base.errors import ConfigError, Problem
from runner.compose.folders import options, packaged_conf
from runner.compose.request import GROUP, ComposeRequest
from runner.compose.values import did_you_mean, listed, nearest, outside, place, quoted
from runner.compose.yaml_files import Key, key_lines, read_yaml

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


def checked(file: Path, group: str, request: ComposeRequest) -> dict[str, Any]:
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
    settings: dict[str, Any], file: Path, faults: Collection[Key], request: ComposeRequest
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
        return Problem(name, message, hint=did_you_mean(nearest(key, HYDRA_KEYS)))
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


# The defaults list of a user's YAML file: which options it swaps, which files it builds on.

_ENTRY = re.compile(r"^(?:optional )?(?P<override>override )?(?P<group>[^@ ]+)(?P<at>@.*)?$")


def sound_defaults(defaults: Any, file: Path, group: str, request: ComposeRequest) -> list[Any]:
    """The entries of the defaults list of `file`, an option of `group`, that Hydra can follow;
    what is wrong with the others is reported."""
    if isinstance(defaults, list):
        return list(_sound(defaults, file, group, request))
    where = place(file, key_lines(file).get(("defaults",)))
    hint = "one entry a line, such as `- override /model: smollm2_135m`"
    request.report(Problem("defaults", "has to be a list", where, hint))
    return []


def _sound(defaults: list[Any], file: Path, group: str, request: ComposeRequest) -> Iterator[Any]:
    overriding = False
    before: dict[str, str] = {}
    for number, entry in enumerate(defaults):
        where = place(file, key_lines(file).get(("defaults", number)))
        problem, touched = _entry(entry, file, group, request, where)
        is_override = isinstance(entry, dict) and any("override " in str(key) for key in entry)
        named = next(iter(entry)) if is_override else ""
        if problem is None and is_override and named in before:
            message = f"is overridden twice, at {before[named]} as well"
            problem = Problem(named.rpartition(" ")[2].lstrip("/"), message, where)
        before.setdefault(named, where)
        if problem is None and overriding and not is_override and entry != "_self_":
            problem = Problem("defaults", "stands below an override; put overrides last", where)
        overriding = overriding or is_override
        if problem is None:
            yield entry
        else:
            request.report(problem, unchosen=touched)


def _entry(
    entry: Any, file: Path, group: str, request: ComposeRequest, where: str
) -> tuple[Problem | None, str]:
    """The problem with one entry, if there is one, and the group it leaves without a choice."""
    if isinstance(entry, str):
        return _included(entry, file, group, request, where), ""
    if not isinstance(entry, dict) or len(entry) != 1:
        return Problem("defaults", f"{quoted(entry)} is not `group: option`", where), ""
    ((key, chosen),) = entry.items()
    found = _ENTRY.match(str(key))
    if found is None or "hydra" in (found["at"] or ""):
        return Problem("defaults", f"{quoted(key)} is not a group", where), ""
    named = found["group"]
    absolute = named.lstrip("/") if named.startswith("/") else f"{group}/{named}".lstrip("/")
    problem = _choice(named, absolute, chosen, bool(found["override"]), request, where)
    return problem, problem.key if problem else ""


def _included(
    name: str, file: Path, group: str, request: ComposeRequest, where: str
) -> Problem | None:
    if name == "_self_":
        return None
    path = name.lstrip("/") if name.startswith("/") else f"{group}/{name}".lstrip("/")
    if request.file_of(path).is_file():
        return None
    beside = sorted(other.stem for other in file.parent.glob("*.yaml") if other != file)
    message = f"there is no file '{name}.yaml' to build on"
    return Problem("defaults", message, where, did_you_mean(nearest(name, beside)))


def _choice(
    named: str, group: str, chosen: Any, override: bool, request: ComposeRequest, where: str
) -> Problem | None:
    if group.startswith("hydra/"):
        if group.startswith("hydra/sweeper"):
            return None
        return Problem(group, "cannot be chosen in a YAML; only hydra/sweeper can", where)
    if group not in request.groups:
        meant = group.removeprefix(f"{GROUP}/")
        if meant in request.groups and not named.startswith("/"):
            return Problem(
                meant,
                "the name of a group starts with a slash in an experiment",
                where,
                f"write `- override /{meant}: {chosen}`",
            )
        return unknown_group(request, meant, where)
    if not override and named.startswith("/") and (packaged_conf() / group).is_dir():
        hint = f"write `- override /{group}: {chosen}`"
        return Problem(group, "is chosen already and has to be overridden", where, hint)
    for option in chosen if isinstance(chosen, list) else [chosen]:
        if option is not None and "${" not in str(option):
            problem = unknown_option(request, group, str(option), where)
            if problem:
                return problem
    return None


# Choosing an option of a group: whether there is such a group and such an option.


def unknown_group(request: ComposeRequest, group: str, where: str) -> Problem:
    """There is no such group; says which ones there are."""
    groups = sorted(name for name in request.groups if name != "experiment")
    return Problem(
        key=group,
        message=f"there is no group '{group}'; the groups are {listed(groups)}",
        where=where,
        hint=did_you_mean(nearest(group, groups)),
    )


def unknown_option(request: ComposeRequest, group: str, option: str, where: str) -> Problem | None:
    """The problem when `group` has no such option; None when it has."""
    known = options(group, request.confs)
    if option.removesuffix(".yaml") in known:
        return None
    return Problem(
        key=group,
        message=f"there is no option '{option}'; the options are {listed(known)}",
        where=where,
        hint=did_you_mean(nearest(option, known)) or _of_your_own(request, group, option),
    )


def _of_your_own(request: ComposeRequest, group: str, option: str) -> str:
    """Where to write the option; empty where it could not be a file's name."""
    if not re.fullmatch(r"[\w. -]+", option) or group.startswith("hydra/"):
        return ""
    file = request.file.parent / "conf" / group / f"{option.removesuffix('.yaml')}.yaml"
    return f"to have one of your own, write {place(file)}"
