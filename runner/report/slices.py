"""The primary score on the slices of the test split, arm by arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.plural import plural
from runner.report.intervals import Entry, Track, ruler, scale, track
from runner.report.labels import is_label
from runner.report.scoreboard import Line
from runner.results import Score

MAX_SLICES = 12


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice with a line for every arm shown."""

    name: str
    rows: str
    tracks: list[Track]


@dataclass(frozen=True, slots=True)
class Slices:
    """The picture; `known` says how many slices there are in all."""

    slices: list[Slice]
    ruler: Markup
    known: int


def slices(
    shown: Sequence[Line], primary: str, looks: Mapping[str, str], places: int
) -> Slices | None:
    """The largest slices; None when the suite has none."""
    sizes = _sizes(shown, primary)
    if not sizes:
        return None
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_SLICES]
    names = [name for name in sizes if name in largest]
    entries = {
        name: [
            Entry(
                line.arm.name,
                looks[line.arm.digest],
                _score(line, name, primary),
                "winner" if line.role == "winner" else "",
            )
            for line in shown
        ]
        for name in names
    }
    axis = scale([entry for listed in entries.values() for entry in listed])
    found = [
        Slice(
            name,
            plural(sizes[name], "row"),
            [track(entry, axis, places, None) for entry in entries[name]],
        )
        for name in names
    ]
    return Slices(found, ruler(axis), len(sizes))


def _score(line: Line, name: str, primary: str) -> Score | None:
    found = line.arm.test.slices.get(name, {}).get(primary) if line.arm.test else None
    return found if found and math.isfinite(found.value) else None


def _sizes(shown: Sequence[Line], primary: str) -> dict[str, int]:
    """Slice to its rows (the most that any arm answered), in order of appearance."""
    sizes: dict[str, int] = {}
    for line in shown:
        for name, scores in (line.arm.test.slices if line.arm.test else {}).items():
            # Labels of a classification have a table of their own.
            if primary in scores and not is_label(name, scores):
                sizes[name] = max(sizes.get(name, 0), scores[primary].n)
    return sizes
