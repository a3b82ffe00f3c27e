"""From one Hydra job to its points: ``sweep.grid`` multiplied out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any


def axes(config: Any, fixed: Mapping[str, object]) -> dict[str, list[Any]]:
    """The axes of ``sweep.grid`` that the command line does not fix. What is no proper grid is
    left to the schema, which says why."""
    grid = config.get("grid") if isinstance(config, dict) else None
    if not isinstance(grid, dict):
        return {}
    return {
        str(key): values
        for key, values in grid.items()
        if isinstance(values, list) and values and key not in fixed
    }


def combinations(grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination, the last axis turning fastest; one empty one when there is no axis."""
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))
