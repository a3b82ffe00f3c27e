"""Choosing an option of a group: whether there is such a group and such an option."""

from __future__ import annotations

import re

from runner.compose.folders import options
from runner.compose.request import Request
from runner.compose.words import did_you_mean, listed, near, place
from runner.errors import Problem


def unknown_group(request: Request, group: str, where: str) -> Problem:
    """There is no such group; says which ones there are."""
    groups = sorted(name for name in request.groups if name != "experiment")
    return Problem(
        key=group,
        message=f"there is no group '{group}'; the groups are {listed(groups)}",
        where=where,
        hint=did_you_mean(near(group, groups)),
    )


def unknown_option(request: Request, group: str, option: str, where: str) -> Problem | None:
    """The problem when `group` has no such option; None when it has."""
    known = options(group, request.confs)
    if option.removesuffix(".yaml") in known:
        return None
    return Problem(
        key=group,
        message=f"there is no option '{option}'; the options are {listed(known)}",
        where=where,
        hint=did_you_mean(near(option, known)) or _of_your_own(request, group, option),
    )


def _of_your_own(request: Request, group: str, option: str) -> str:
    """Where to write the option; empty where it could not be a file's name."""
    if not re.fullmatch(r"[\w. -]+", option) or group.startswith("hydra/"):
        return ""
    file = request.file.parent / "conf" / group / f"{option.removesuffix('.yaml')}.yaml"
    return f"to have one of your own, write {place(file)}"
