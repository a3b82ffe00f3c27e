"""A user's YAML file, checked before Hydra composes it: it must be readable, must not be able to
run code, and its defaults list must name groups and options that exist.

What is wrong is reported and left out, so that the rest of the file can be judged as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from runner.compose.choices import unknown_group, unknown_option
from runner.compose.folders import packaged_conf
from runner.compose.request import GROUP, Request
from runner.compose.words import did_you_mean, listed, near, place, quoted
from runner.compose.yaml_files import Key, key_lines, read_yaml
from runner.errors import ConfigError, Problem

HYDRA_KEYS = ("mode", "sweeper", "sweep", "run", "output_subdir")
"""What a YAML may say below ``hydra``. Hydra makes Python objects of other parts of it."""

_ENTRY = re.compile(
    r"^(?P<optional>optional )?(?P<override>override )?(?P<group>[^@ ]+)(?P<at>@.*)?$"
)


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
    if isinstance(content.get("hydra"), dict):
        content["hydra"] = _harmless(content["hydra"], file, faults, request)
    defaults = content.get("defaults")
    if isinstance(defaults, list):
        content["defaults"] = list(_sound(defaults, file, group, request))
    elif "defaults" in content:
        where = place(file, lines.get(("defaults",)))
        hint = "one entry a line, such as `- override /model: smollm2_135m`"
        request.report(Problem("defaults", "has to be a list", where, hint))
        del content["defaults"]
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
            yield from _faults(value, (*at, str(key)))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _faults(value, (*at, number))
    elif isinstance(content, str) and "${" in content:
        try:
            OmegaConf.create([content])
        except GrammarParseError:
            yield at, f"{quoted(content)} is no reference to a value; for the text write \\${{"


def _without(content: Any, faults: Collection[Key], at: Key = ()) -> Any:
    """A copy of `content` without the keys in `faults`."""
    if isinstance(content, dict):
        return {
            key: _without(value, faults, (*at, str(key)))
            for key, value in content.items()
            if (*at, str(key)) not in faults
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
        where = place(file, key_lines(file).get(("hydra", str(key))))
        if any(found[:2] == ("hydra", str(key)) for found in faults):
            continue
        if key not in HYDRA_KEYS:
            message = f"cannot be set in a YAML; below hydra there may be {listed(HYDRA_KEYS)}"
            hint = did_you_mean(near(str(key), HYDRA_KEYS))
            request.report(Problem(f"hydra.{key}", message, where, hint))
        elif key == "sweeper" and "${" in repr(value):
            message = "must not refer to other values with ${...}"
            request.report(Problem("hydra.sweeper", message, where))
        else:
            kept[key] = value
    return kept


def _sound(defaults: list[Any], file: Path, group: str, request: Request) -> Iterator[Any]:
    """The entries of a defaults list that Hydra can follow."""
    overriding = False
    for number, entry in enumerate(defaults):
        where = place(file, key_lines(file).get(("defaults", number)))
        problem, touched = _entry(entry, file, group, request, where)
        is_override = isinstance(entry, dict) and any("override " in str(key) for key in entry)
        if problem is None and overriding and not is_override and entry != "_self_":
            problem = Problem("defaults", "stands below an override; put overrides last", where)
        overriding = overriding or is_override
        if problem is None:
            yield entry
        else:
            request.report(problem, unchosen=touched)


def _entry(
    entry: Any, file: Path, group: str, request: Request, where: str
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


def _included(name: str, file: Path, group: str, request: Request, where: str) -> Problem | None:
    if name == "_self_":
        return None
    path = name.lstrip("/") if name.startswith("/") else f"{group}/{name}".lstrip("/")
    if request.file_of(path).is_file():
        return None
    beside = sorted(other.stem for other in file.parent.glob("*.yaml") if other != file)
    message = f"there is no file '{name}.yaml' to build on"
    return Problem("defaults", message, where, did_you_mean(near(name, beside)))


def _choice(
    named: str, group: str, chosen: Any, override: bool, request: Request, where: str
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
