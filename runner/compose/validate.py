"""From drafts to points: resolve, make paths absolute, and let the schema validate all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from runner.base.errors import Problem
from runner.compose.drafts import UncheckedPoint, report_lost, report_merged, varied
from runner.compose.explain import explained, faults, mixed_kinds, not_set
from runner.compose.origin import KeyOrigins, dotted
from runner.compose.points import ComposedPoint
from runner.compose.request import ComposeRequest
from runner.compose.resolve import make_absolute, resolved
from runner.compose.schema_keys import kinds_at
from runner.compose.yaml_files import Key
from runner.config import Experiment, SweepSettings

_BY_OPTION = ("missing", "extra_forbidden")
"""Complaints that another option of a group with kinds might not have brought."""

PlacesOf = Callable[[UncheckedPoint], KeyOrigins]


EACH_BATCH = "is true, and this sweeper asks batch by batch: each would open the test split"
SEARCH = (
    "sweep with sweep.grid or -m, or search without test rows first "
    "(suite.sealed=false source.test=null prepare.split.test=0)"
)


def validated(
    request: ComposeRequest, drafts: Sequence[UncheckedPoint], at_once: bool, places_of: PlacesOf
) -> tuple[ComposedPoint, ...]:
    """The points of `drafts`. Raises ConfigError with every problem of every draft, and whatever
    the request reported before. `at_once` says that there will be no points besides: a key that
    is the same in all of them does not vary, and no two may be the same."""
    found = [resolved(draft.base, draft.values) for draft in drafts]
    configs = [config for config, _ in found]
    report_lost(request, drafts, configs)
    varying = varied(drafts, configs, at_once)
    points = [
        _validated(request, *each, places_of) for each in zip(drafts, found, varying, strict=True)
    ]
    if at_once and not request.problems:
        report_merged(request, drafts, points)
    if not at_once and any(point and point.experiment.suite.sealed for point in points):
        request.report(Problem("suite.sealed", EACH_BATCH, hint=SEARCH))
    if request.problems:
        raise request.error()
    return tuple(point for point in points if point)


def _validated(
    request: ComposeRequest,
    draft: UncheckedPoint,
    found: tuple[dict[str, Any], dict[Key, str]],
    varying: dict[str, str],
    places_of: PlacesOf,
) -> ComposedPoint | None:
    config, wrong = found
    make_absolute(config, request.file.parent, request.typed_leaves())
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
    experiment = experiment.model_copy(update={"sweep": SweepSettings()})
    return ComposedPoint(
        overrides=draft.overrides,
        varying=varying,
        config=experiment.model_dump(mode="json"),
        experiment=experiment,
    )


def _report(
    request: ComposeRequest,
    error: ValidationError,
    doubtful: set[str],
    config: dict[str, Any],
    places: KeyOrigins,
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


def _unresolved(key: Key, reason: str, config: dict[str, Any], places: KeyOrigins) -> Problem:
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
