"""The defaults list of a user's YAML file: which options it swaps, which files it builds on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.compose.choices import unknown_group, unknown_option
from runner.compose.folders import packaged_conf
from runner.compose.request import GROUP, Request
from runner.compose.words import did_you_mean, near, place, quoted
from runner.compose.yaml_files import key_lines
from runner.errors import Problem

_ENTRY = re.compile(r"^(?:optional )?(?P<override>override )?(?P<group>[^@ ]+)(?P<at>@.*)?$")


def sound_defaults(defaults: Any, file: Path, group: str, request: Request) -> list[Any]:
    """The entries of the defaults list of `file`, an option of `group`, that Hydra can follow;
    what is wrong with the others is reported."""
    if isinstance(defaults, list):
        return list(_sound(defaults, file, group, request))
    where = place(file, key_lines(file).get(("defaults",)))
    hint = "one entry a line, such as `- override /model: smollm2_135m`"
    request.report(Problem("defaults", "has to be a list", where, hint))
    return []


def _sound(defaults: list[Any], file: Path, group: str, request: Request) -> Iterator[Any]:
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
