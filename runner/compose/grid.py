"""From one Hydra job to its points: ``sweep.grid`` multiplied out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from runner.compose.claims import Claim
from runner.compose.precedence import swept_at
from runner.compose.request import ComposeRequest


def axes(request: ComposeRequest, sweep: Any) -> list[Claim]:
    """The axes of the composed ``sweep``'s grid. What is no proper grid is left to the schema,
    which says why."""
    grid = sweep.get("grid") if isinstance(sweep, dict) else None
    if not isinstance(grid, dict):
        return []
    return [
        Claim(
            str(key),
            swept_at(request, str(key)),
            _chooses(request, str(key), values),
            (*values,),
            True,
        )
        for key, values in grid.items()
        if isinstance(values, list) and values
    ]


def _chooses(request: ComposeRequest, key: str, values: Sequence[Any]) -> bool:
    """Whether the axis chooses options of a group; a mapping is content for the group's key."""
    return request.is_group(key) and not any(isinstance(value, dict) for value in values)


def combinations(grid: Sequence[Claim]) -> Iterator[list[tuple[Claim, Any]]]:
    """Every combination, the last axis turning fastest; one empty one when there is no axis."""
    for values in product(*(axis.values for axis in grid)):
        yield list(zip(grid, values, strict=True))
