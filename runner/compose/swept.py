"""The overrides of one Hydra job: which ones are swept, and whether swept options exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.compose.choices import unknown_option
from runner.compose.overrides import Override, parse
from runner.compose.request import GROUP, Request
from runner.compose.words import place
from runner.compose.yaml_files import Key, key_lines


def as_typed(job: Sequence[str]) -> Iterator[str]:
    """The job's overrides as one would type them, those that steer Hydra left out."""
    for text in job:
        plain = text.removeprefix("++")
        if not plain.startswith((f"{GROUP}=", "hydra.", "hydra/")):
            yield plain


def swept(request: Request, job: Sequence[str]) -> dict[str, str]:
    """Key and value of the job's overrides that the command line does not fix to one value."""
    fixed = request.typed_keys().keys() - request.sweeping
    found = (override for text in as_typed(job) if (override := parse(text)))
    return {override.key: _plain(override) for override in found if override.key not in fixed}


def _plain(override: Override) -> str:
    return (override.value or "").strip("'\"")


def known_options(request: Request, job: Sequence[str]) -> Iterator[str]:
    """The job's overrides for Hydra, without choices of options that are not there."""
    for text in job:
        override = parse(text)
        if override is None or not _reported(request, override):
            yield override.hydra(request.is_group) if override else text


def _reported(request: Request, override: Override) -> bool:
    """Whether the override chooses an option that is not there. Lists are Hydra's."""
    option = _plain(override)
    if override.key not in request.groups - {GROUP} or option[:1] in ("", "[", "{"):
        return False
    typed = request.typed_keys().get(override.key)
    where = typed.named if typed else _line(request, ("hydra", "sweeper", "params", override.key))
    problem = unknown_option(request, override.key, option, where)
    if problem:
        request.report(problem, unchosen=override.key)
    return problem is not None


def known_axes(request: Request, grid: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """The axes of ``sweep.grid``, without options that are not there."""
    kept: dict[str, list[Any]] = {}
    for key, values in grid.items():
        good = values
        if chooses(request, key, values):
            where = _line(request, ("sweep", "grid", key))
            faulty = {str(v): unknown_option(request, key, str(v), where) for v in values}
            for problem in filter(None, faulty.values()):
                request.report(problem, unchosen=key)
            good = [value for value in values if not faulty[str(value)]]
        if good:
            kept[key] = good
    return kept


def chooses(request: Request, key: str, values: Sequence[Any]) -> bool:
    """Whether the axis chooses options of a group; a mapping is content for the group's key."""
    return request.is_group(key) and not any(isinstance(value, dict) for value in values)


def _line(request: Request, key: Key) -> str:
    return place(request.file, key_lines(request.file).get(key))
