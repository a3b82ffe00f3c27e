"""From drafts to points: resolve, make paths absolute, and let the schema judge all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from runner.compose.explain import explained, not_set
from runner.compose.faults import faults
from runner.compose.known import kinds_at
from runner.compose.locate import Places, dotted
from runner.compose.points import Point
from runner.compose.relative import make_absolute
from runner.compose.request import Request
from runner.compose.resolve import resolved
from runner.compose.unknown_keys import mixed_kinds
from runner.compose.yaml_files import Key
from runner.config import Experiment, Sweep
from runner.errors import Problem


@dataclass(frozen=True, slots=True)
class Draft:
    """A point before it is judged."""

    job: tuple[str, ...]
    """Hydra's overrides that made `base`."""
    overrides: tuple[str, ...]
    """All overrides, as one would type them."""
    swept: Mapping[str, str]
    """Every swept key with its value as text, whether or not it differs from other points."""
    base: Mapping[str, Any]
    """Composed config, references not followed."""
    values: Mapping[str, Any]
    """Values to be set on top of `base`, by dotted key."""
    axes: tuple[str, ...]
    """Those of the keys of `values` that ``sweep.grid`` gave."""


_BY_OPTION = ("missing", "extra_forbidden")
"""Complaints that another option of a group with kinds might not have brought."""

PlacesOf = Callable[[Draft], Places]


def judged(
    request: Request, drafts: Sequence[Draft], differing: set[str], places_of: PlacesOf
) -> tuple[Point, ...]:
    """The points of `drafts`, with those of their swept keys that are in `differing`. Raises
    ConfigError with every problem of every draft, and whatever the request reported before."""
    points = [_judged(request, draft, differing, places_of) for draft in drafts]
    if request.problems:
        raise request.error()
    return tuple(point for point in points if point)


def _judged(
    request: Request, draft: Draft, differing: set[str], places_of: PlacesOf
) -> Point | None:
    config, wrong = resolved(draft.base, draft.values)
    make_absolute(config, request.file.parent, request.typed_keys())
    for key, reason in wrong.items():
        unknown = request.doubtful if reason else request.doubtful | request.unchosen
        if not _doubtful(key, unknown):
            request.report(_unresolved(key, reason, config, places_of(draft)))
    try:
        experiment = Experiment.model_validate(config)
    except ValidationError as error:
        doubtful = request.doubtful | {dotted(key) for key in wrong}
        _report(request, error, doubtful, config, places_of(draft))
        return None
    experiment = experiment.model_copy(update={"sweep": Sweep()})
    return Point(
        overrides=draft.overrides,
        varying={key: text for key, text in draft.swept.items() if key in differing},
        config=experiment.model_dump(mode="json"),
        experiment=experiment,
    )


def _report(
    request: Request,
    error: ValidationError,
    doubtful: set[str],
    config: dict[str, Any],
    places: Places,
) -> None:
    found = [
        fault
        for fault in faults(error.errors(), config)
        if not _doubtful(fault.key, doubtful)
        and not (fault.type in _BY_OPTION and _has_kinds(fault.key, request.unchosen, config))
    ]
    mixed = mixed_kinds(found, config, places)
    for problem in mixed.values():
        request.report(problem)
    for fault in found:
        if fault.type != "extra_forbidden" or fault.key[:-1] not in mixed:
            request.report(explained(fault, config, places))


def _unresolved(key: Key, reason: str, config: dict[str, Any], places: Places) -> Problem:
    if not reason:
        return not_set(key, config, places)
    hint = "for the text ${ itself write \\${" if "nterpolation" in reason else ""
    return Problem(dotted(key), reason, places.where(key), hint)


def _doubtful(key: Key, doubtful: set[str]) -> bool:
    """Whether the key, or what it stands in, is not what was asked for anyway."""
    return any(dotted(key[:length]) in doubtful for length in range(1, len(key) + 1))


def _has_kinds(key: Key, groups: set[str], config: dict[str, Any]) -> bool:
    """Whether the key is in one of `groups`, and that group comes in several kinds."""
    heads = (key[:length] for length in range(1, len(key) + 1))
    return any(dotted(head) in groups and len(kinds_at(head, config)) > 1 for head in heads)


def differing(drafts: Sequence[Draft]) -> set[str]:
    """The swept keys whose values are not the same in all drafts."""
    keys = {key for draft in drafts for key in draft.swept}
    return {key for key in keys if len({draft.swept.get(key) for draft in drafts}) > 1}
