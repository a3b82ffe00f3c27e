"""From drafts to points: resolve, make paths absolute, and let the schema judge all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf
from pydantic import ValidationError

from runner.compose.points import Point
from runner.compose.relative import make_absolute
from runner.compose.request import Request
from runner.config import Experiment
from runner.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Draft:
    """A point before it is judged."""

    overrides: tuple[str, ...]
    swept: Mapping[str, str]
    """Every swept key with its value as text, whether or not it differs from other points."""
    base: Mapping[str, Any]
    """Composed config, interpolations unresolved."""
    values: Mapping[str, Any]
    """Values of the grid, to be set on top of `base`."""


def judged(request: Request, drafts: Sequence[Draft]) -> tuple[Point, ...]:
    """The points of `drafts`. Raises ConfigError with every problem of every draft."""
    problems: dict[Problem, None] = {}
    points: list[Point] = []
    differing = _differing([draft.swept for draft in drafts])
    for draft in drafts:
        config = _resolved(draft)
        make_absolute(config, request.file.parent, request.typed_keys())
        try:
            experiment = Experiment.model_validate({**config, "sweep": {}})
        except ValidationError as error:
            for fault in error.errors():
                problems[Problem(".".join(map(str, fault["loc"])), fault["msg"])] = None
            continue
        points.append(
            Point(
                overrides=draft.overrides,
                varying={key: text for key, text in draft.swept.items() if key in differing},
                config=experiment.model_dump(mode="json"),
                experiment=experiment,
            )
        )
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(points)


def _resolved(draft: Draft) -> dict[str, Any]:
    tree = OmegaConf.create(dict(draft.base))
    for key, value in draft.values.items():
        OmegaConf.update(tree, key, value, merge=True, force_add=True)
    plain = OmegaConf.to_container(tree, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _differing(swept: Sequence[Mapping[str, str]]) -> set[str]:
    """Keys whose values are not the same in all points; all keys when there is one point, since
    an optimising sweeper tries one at a time."""
    keys = {key for point in swept for key in point}
    return {key for key in keys if len(swept) == 1 or len({p.get(key) for p in swept}) > 1}
