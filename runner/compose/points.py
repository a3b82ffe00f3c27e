"""What composition hands out: an experiment's points, and which files it took them from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.config import Experiment


@dataclass(frozen=True, slots=True)
class ComposedPoint:
    """One arm-to-be: everything it takes to run it, validated."""

    overrides: tuple[str, ...]
    """What makes this point, as it would be typed behind the experiment's path."""
    varying: dict[str, str]
    """Swept key to this point's value as text; only keys that differ between the points."""
    config: dict[str, Any]
    """The resolved config, JSON-ready, without ``hydra`` and with ``sweep`` used up (empty), so
    that a value added to the grid changes no other point. Paths are absolute."""
    experiment: Experiment
    """The same, typed."""


@dataclass(frozen=True, slots=True)
class ShadowedFile:
    """A file of the user's that takes the place of one that comes with the package."""

    user: Path
    packaged: Path


@dataclass(frozen=True, slots=True)
class ReplacedPart:
    """A part of a file that does not count, since something stronger takes its place."""

    key: str
    """Dotted, or the group whose option was chosen there."""
    where: str
    """File and line."""
    by: str
    """What takes its place: an override, or file and line of a sweep."""


@dataclass(frozen=True, slots=True)
class Composition:
    """An experiment file with its overrides, composed, expanded and validated."""

    file: Path
    """The experiment's YAML, absolute."""
    overrides: tuple[str, ...]
    """Overrides as typed."""
    points: tuple[ComposedPoint, ...]
    shadowed: tuple[ShadowedFile, ...]
    replaced: tuple[ReplacedPart, ...] = ()
