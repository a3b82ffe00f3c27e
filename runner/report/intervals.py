"""Point and interval on a shared scale, one line each: the picture of arms and of slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.plural import plural
from runner.report.axis import Axis
from runner.report.markup import percent, tag
from runner.report.wording import interval, number
from runner.results import Score


@dataclass(frozen=True, slots=True)
class Track:
    """One line of the picture, ready for the page."""

    name: str
    css: str
    note: str
    """``winner``, ``3 rows`` or empty."""
    picture: Markup
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line shows: a score of something that has a name and a look."""

    name: str
    css: str
    score: Score | None
    note: str = ""


def scale(entries: Sequence[Entry]) -> Axis:
    """A scale over all points and interval ends; shares get room from 0 to 1 at most."""
    known = [entry.score for entry in entries if entry.score]
    values = [x for score in known for x in (score.value, score.low, score.high)]
    return Axis.over(values, around=5)


def track(entry: Entry, axis: Axis, places: int, reference: float | None) -> Track:
    """The line of `entry`; `reference` is drawn as a dashed upright (the score to beat)."""
    score = entry.score
    return Track(
        name=entry.name,
        css=entry.css,
        note=entry.note,
        picture=_picture(entry, axis, places, reference),
        value=number(score.value if score else None, places),
        interval=interval(score.low, score.high, places) if score else "",
    )


def ruler(axis: Axis) -> Markup:
    """The scale itself, for below the lines."""
    marks = [
        tag("text", axis.label(tick), x=percent(axis.at(tick)), y="12", class_="tick tick-x")
        for tick in axis.ticks
    ]
    return tag("svg", *marks, class_="track ruler", width="100%", height=18, aria_hidden="true")


def _picture(entry: Entry, axis: Axis, places: int, reference: float | None) -> Markup:
    parts = [
        tag("line", x1=at, x2=at, y1="0", y2="100%", class_="grid")
        for at in (percent(axis.at(tick)) for tick in axis.ticks)
    ]
    if reference is not None and math.isfinite(reference):
        at = percent(axis.at(reference))
        parts.append(tag("line", x1=at, x2=at, y1="0", y2="100%", class_="reference"))
    score = entry.score
    if score and math.isfinite(score.value):
        parts += _mark(entry, score, axis, places)
    return tag("svg", *parts, class_="track", width="100%", height=28, aria_hidden="true")


def _mark(entry: Entry, score: Score, axis: Axis, places: int) -> list[Markup]:
    marks = []
    label = f"{entry.name}: {number(score.value, places)}"
    if math.isfinite(score.low) and math.isfinite(score.high):
        ends = {"x1": percent(axis.at(score.low)), "x2": percent(axis.at(score.high))}
        marks.append(tag("line", **ends, y1="50%", y2="50%", class_=f"whisker {entry.css}"))
        label += f" {interval(score.low, score.high, places)}"
    marks.append(
        tag(
            "circle",
            tag("title", f"{label}, {plural(score.n, 'row')}"),
            cx=percent(axis.at(score.value)),
            cy="50%",
            r="5",
            class_=f"dot {entry.css}",
        )
    )
    return marks
