"""The overrides of one Hydra job: which ones are swept, and whether swept options exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from runner.compose.choices import unknown_option
from runner.compose.claims import Claim
from runner.compose.overrides import Override, parse
from runner.compose.precedence import said
from runner.compose.request import GROUP, Request


def as_typed(job: Sequence[str]) -> Iterator[str]:
    """The job's overrides as one would type them, those that steer Hydra left out."""
    for text in job:
        plain = text.removeprefix("++")
        if not plain.startswith((f"{GROUP}=", "hydra.", "hydra/")):
            yield plain


def swept(request: Request, job: Sequence[str]) -> list[Override]:
    """The job's overrides that the command line does not fix to one value."""
    fixed = request.typed_keys().keys() - request.sweeping
    found = (override for text in as_typed(job) if (override := parse(text)))
    return [override for override in found if override.key not in fixed]


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
    where = said(request, override.key)
    problem = unknown_option(request, override.key, option, where)
    if problem:
        request.report(problem, unchosen=override.key)
    return problem is not None


def known_axes(request: Request, grid: Iterable[Claim]) -> list[Claim]:
    """The axes of ``sweep.grid``, without options that are not there."""
    kept = []
    for axis in grid:
        good = axis.values
        if axis.chooses:
            names = dict.fromkeys(map(str, axis.values))
            faulty = {name: unknown_option(request, axis.key, name, axis.where) for name in names}
            for problem in filter(None, faulty.values()):
                request.report(problem, unchosen=axis.key)
            good = tuple(value for value in axis.values if not faulty[str(value)])
        if good:
            kept.append(replace(axis, values=good))
    return kept
