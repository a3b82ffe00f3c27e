"""Points before they are validated: what a sweep asked for, held against what was composed.

Names of arms are made of what was composed. What was asked for and is not there is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.base.errors import Problem
from runner.compose.claims import Claim, leaves, touch, within
from runner.compose.points import ComposedPoint
from runner.compose.request import ComposeRequest
from runner.compose.values import quoted, text_of

Values = tuple[tuple[str, Any], ...]
"""Dotted keys and values."""


@dataclass(frozen=True, slots=True)
class SweptValue:
    """One value, or one option, that a sweep asks for."""

    claim: Claim
    leaf: str
    """The dotted key, or the group whose option it is."""
    value: Any


def asked_by(claim: Claim, value: Any) -> Iterator[SweptValue]:
    """What one value of a swept claim asks for."""
    found = [(claim.key, value)] if claim.chooses else leaves(claim.key, value)
    return (SweptValue(claim, leaf, each) for leaf, each in found)


@dataclass(frozen=True, slots=True)
class UncheckedPoint:
    """A point before it is validated."""

    job: tuple[str, ...]
    """Hydra's overrides that made `base`."""
    overrides: tuple[str, ...]
    """All overrides, as one would type them."""
    asked: tuple[SweptValue, ...]
    """What it was swept to, whether or not that differs from other points."""
    base: Mapping[str, Any]
    """Composed config, references not followed."""
    values: Values
    """To be set on top of `base`, in turn."""
    options: Mapping[str, str]
    """The option that was taken of every group."""
    axes: tuple[str, ...]
    """Those of the keys of `values` that ``sweep.grid`` gave."""


def varied(
    drafts: Sequence[UncheckedPoint], configs: Sequence[Mapping[str, Any]], at_once: bool
) -> list[dict[str, str]]:
    """For each draft its swept keys and groups, with what the draft's config has there as text.
    When all drafts are there `at_once`, only those that are not the same in all of them."""
    swept = {asked.leaf: asked for draft in drafts for asked in draft.asked}
    told = [
        {
            leaf: text
            for leaf in swept
            if (text := _composed(draft, config, swept[leaf])) is not None
        }
        for draft, config in zip(drafts, configs, strict=True)
    ]
    kept = [leaf for leaf in swept if not at_once or len({each.get(leaf) for each in told}) > 1]
    return [{leaf: each[leaf] for leaf in kept if leaf in each} for each in told]


def _composed(draft: UncheckedPoint, config: Mapping[str, Any], asked: SweptValue) -> str | None:
    if asked.claim.chooses:
        return draft.options.get(asked.leaf)
    there, value = _lookup(config, asked.leaf)
    return text_of(value) if there else None


def _lookup(config: Any, dotted: str) -> tuple[bool, Any]:
    """Whether something stands at the dotted key, and what."""
    for name in dotted.split("."):
        if isinstance(config, list) and name.isdigit() and int(name) < len(config):
            config = config[int(name)]
        elif isinstance(config, dict) and name in config:
            config = config[name]
        else:
            return False, None
    return True, config


def report_lost(
    request: ComposeRequest, drafts: Sequence[UncheckedPoint], configs: Sequence[Mapping[str, Any]]
) -> None:
    """Report every swept value that its own point does not have, and every typed one that a
    swept one beats in all points. What the file sweeps may give way to what is typed."""
    for draft, config in zip(drafts, configs, strict=True):
        for asked in draft.asked:
            if not _gives_way(request, asked) and not _has(request, config, asked):
                _report(request, asked, (each.claim for each in draft.asked))
    swept = [asked for draft in drafts for asked in draft.asked if asked.claim in request.claims]
    for fixed in _fixed(request).values():
        # Two overrides of the very same key were refused before.
        over = [
            asked.claim
            for asked in swept
            if touch(asked.leaf, fixed.leaf) and asked.claim.key != fixed.claim.key
        ]
        if over and not any(_has(request, config, fixed) for config in configs):
            _report(request, fixed, over)


def _fixed(request: ComposeRequest) -> dict[str, SweptValue]:
    """What is typed and not swept, by dotted key; of several the last."""
    return {
        leaf: SweptValue(claim, leaf, value)
        for claim in request.claims
        if not (claim.swept or claim.chooses)
        for leaf, value in claim.leaves
    }


def _gives_way(request: ComposeRequest, asked: SweptValue) -> bool:
    """Whether something typed has to do with a value that the file sweeps."""
    keys = (key for claim in request.claims if not claim.chooses for key, _ in claim.leaves)
    return asked.claim not in request.claims and any(touch(asked.leaf, key) for key in keys)


def _has(request: ComposeRequest, config: Mapping[str, Any], asked: SweptValue) -> bool:
    """Whether the config has what was asked for, as far as that can be said."""
    reference = "${" in repr(asked.value) or asked.value == "???"
    doubtful = any(within(asked.leaf, key) for key in request.doubtful)
    if asked.claim.chooses or reference or doubtful:
        return True
    there, value = _lookup(config, asked.leaf)
    return there and text_of(value) == text_of(asked.value)


def _report(request: ComposeRequest, asked: SweptValue, swept: Iterable[Claim]) -> None:
    """Report, once for all its values, that `asked` has no effect, and what beats it."""
    claims = (*reversed(request.claims), *swept)
    others = (claim for claim in claims if claim.where != asked.claim.where)
    by = next((c for c in others if any(touch(asked.leaf, key) for key, _ in c.leaves)), None)
    values = "its values" if asked.claim.swept else quoted(asked.value)
    request.report(
        Problem(
            asked.leaf,
            f"{values} would have no effect: {by.where if by else 'something else'} sets it too",
            asked.claim.where,
            "leave one of the two out",
        )
    )


def report_merged(
    request: ComposeRequest,
    drafts: Sequence[UncheckedPoint],
    points: Sequence[ComposedPoint | None],
) -> None:
    """Report points that are the same: each would be named after what it is not alone with."""
    same: dict[str, list[UncheckedPoint]] = {}
    for draft, point in zip(drafts, points, strict=True):
        if point:
            same.setdefault(json.dumps(point.config, sort_keys=True), []).append(draft)
    for merged in same.values():
        if len(merged) > 1:
            request.report(_merged(merged))


def _merged(drafts: Sequence[UncheckedPoint]) -> Problem:
    asked = [{each.leaf: each for each in draft.asked} for draft in drafts]
    moving = [leaf for leaf in asked[0] if len({_text(each.get(leaf)) for each in asked}) > 1]
    shown = moving or list(asked[0])
    names = [" ".join(f"{leaf}={_text(each.get(leaf))}" for leaf in shown) for each in asked]
    first = asked[0][shown[0]]
    return Problem(
        first.leaf,
        f"{' and '.join(dict.fromkeys(names))} come to the same config, which would be one arm"
        if moving
        else f"{names[0]} stands there twice",
        first.claim.where,
        "leave one of them out",
    )


def _text(asked: SweptValue | None) -> str:
    return text_of(asked.value) if asked else ""
