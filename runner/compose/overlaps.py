"""Claims that overlap so that one of them would have no effect: found, and refused by name.

What wins is the rule of `runner.compose.precedence`. Here stands what is done when obeying it
would make a sweep run into itself, or lose something that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runner.base.errors import Problem
from runner.compose.claims import Claim, dotted_group, within
from runner.compose.folders import option_files
from runner.compose.request import ComposeRequest
from runner.compose.yaml_files import read_yaml

_OPEN = (None, "???")
"""Values that an option leaves to whoever chooses it."""


def open_axes(request: ComposeRequest, axes: Iterable[Claim]) -> list[Claim]:
    """The axes of a file's sweep that the command line leaves open. An axis that it sets as a
    whole is fixed; one inside of an option that it chooses is a problem, and left out."""
    kept = []
    for axis in axes:
        if any(_fixes(typed, axis) for typed in request.claims):
            continue
        if problem := next(
            filter(None, (_beneath(request, axis, c) for c in request.claims)), None
        ):
            request.report(problem)
        else:
            kept.append(axis)
    return kept


def _fixes(typed: Claim, axis: Claim) -> bool:
    """Whether nothing of the axis is left."""
    if axis.chooses:
        return typed.key == axis.key and (typed.chooses or not typed.values)
    return bool(axis.leaves) and all(typed.sets(leaf) for leaf, _ in axis.leaves)


def _beneath(request: ComposeRequest, axis: Claim, typed: Claim) -> Problem | None:
    """The problem of an axis inside of a typed option that says the same thing itself."""
    if not (typed.chooses and within(dotted_group(axis.key), dotted_group(typed.key))):
        return None
    if not axis.chooses and not _decides(request, typed, axis):
        return None
    return Problem(
        axis.key,
        f"is swept here, and {typed.where} chooses it for all arms as well",
        axis.where,
        f"type {axis.key}=VALUE for one of them, -m {axis.key}=A,B to sweep on top of that option, "
        "or leave one of the two out",
    )


def _decides(request: ComposeRequest, typed: Claim, axis: Claim) -> bool:
    """Whether a chosen option writes a value of its own where the axis has one."""
    files = option_files(typed.key, request.confs)
    written = [read_yaml(files[name]) for name in map(str, typed.values) if name in files]
    below = [leaf.removeprefix(dotted_group(typed.key) + ".") for leaf, _ in axis.leaves]
    return any(at(content, leaf) not in _OPEN for content in written for leaf in below)


def at(content: Any, dotted: str) -> Any:
    """What stands at a dotted key; None where nothing does."""
    for name in dotted.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def said_twice(claims: Sequence[Claim]) -> Iterator[Problem]:
    """Overrides of one key or group of which at least one sweeps. Of others the last counts."""
    for number, claim in enumerate(claims):
        for other in claims[:number]:
            same = (other.key, other.chooses) == (claim.key, claim.chooses)
            if same and (other.swept or claim.swept):
                message = f"is given twice, by {other.where} as well"
                yield Problem(claim.key, message, claim.where, "leave one of the two out")
