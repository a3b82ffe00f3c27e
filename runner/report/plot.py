"""Line pictures as inline SVG that fit any width without stretching their text.

Positions are percentages of the drawing area; lines live in an inner, freely stretched
coordinate system of 1000 by 1000 whose strokes do not scale. Tick labels hang outside the
drawing area, in padding that the style sheet leaves for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from runner.report.axis import Axis
from runner.report.markup import percent, tag

MAX_POINTS = 240
"""Points of a line beyond this are thinned to the extremes of equal stretches."""


@dataclass
class Plot:
    """One picture in the making. `about` is what a screen reader says instead of it."""

    about: str
    x: Axis
    y: Axis
    height: int = 220
    parts: list[Markup] = field(default_factory=list)
    lines: list[Markup] = field(default_factory=list)

    def line(self, points: Sequence[tuple[float, float]], css: str, title: str) -> None:
        """A line through the finite points, thinned when there are many."""
        known = thinned([point for point in points if all(map(math.isfinite, point))])
        if len(known) < 2:
            return
        spots = " ".join(
            f"{10 * self.x.at(x):.0f},{1000 - 10 * self.y.at(y):.0f}" for x, y in known
        )
        self.lines.append(
            tag("polyline", tag("title", title), points=spots, class_=f"line {css}", fill="none")
        )

    def dot(self, x: float, y: float, css: str, title: str, radius: float = 3.5) -> None:
        """A point with a text on hover."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        at = {"cx": percent(self.x.at(x)), "cy": percent(100 - self.y.at(y))}
        self.parts.append(tag("circle", tag("title", title), **at, r=radius, class_=f"dot {css}"))

    def whisker(self, x: float, low: float, high: float, css: str) -> None:
        """An upright interval."""
        if not all(map(math.isfinite, (x, low, high))):
            return
        across = percent(self.x.at(x))
        ends = {"y1": percent(100 - self.y.at(low)), "y2": percent(100 - self.y.at(high))}
        self.parts.append(tag("line", x1=across, x2=across, **ends, class_=f"whisker {css}"))

    def column(self, start: float, end: float, value: float, title: str) -> None:
        """An upright bar from the bottom, with a hair's breadth to its neighbours."""
        left, right, top = self.x.at(start), self.x.at(end), 100 - self.y.at(value)
        if top >= 100:
            return
        box = {"x": percent(left + 0.1), "width": percent(right - left - 0.2)}
        box |= {"y": percent(top), "height": percent(100 - top)}
        self.parts.append(tag("rect", tag("title", title), **box, class_="kept"))

    def markup(self) -> Markup:
        """The finished picture."""
        inner = tag(
            "svg", *self.lines, viewBox="0 0 1000 1000", preserveAspectRatio="none", class_="lines"
        )
        return tag(
            "svg",
            *self._grid(),
            inner,
            *self.parts,
            class_="plot",
            width="100%",
            height=self.height,
            role="img",
            aria_label=self.about,
        )

    def _grid(self) -> list[Markup]:
        grid = []
        for tick in self.y.ticks:
            at = percent(100 - self.y.at(tick))
            grid.append(tag("line", x1="0", x2="100%", y1=at, y2=at, class_="grid"))
            grid.append(tag("text", self.y.label(tick), x="-8", y=at, class_="tick tick-y"))
        for tick in self.x.ticks:
            at = percent(self.x.at(tick))
            grid.append(
                tag("text", self.x.label(tick), x=at, y="100%", dy="18", class_="tick tick-x")
            )
        return grid


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about `MAX_POINTS` points: of each stretch its lowest and highest, in order, so
    that no spike is lost; the first and the last point always stay."""
    if len(points) <= MAX_POINTS:
        return list(points)
    size = math.ceil(2 * len(points) / MAX_POINTS)
    kept = [points[0]]
    for start in range(1, len(points) - 1, size):
        stretch = points[start : min(start + size, len(points) - 1)]
        ends = {stretch.index(min(stretch, key=_height)), stretch.index(max(stretch, key=_height))}
        kept += [stretch[index] for index in sorted(ends)]
    return [*kept, points[-1]]


def _height(point: tuple[float, float]) -> float:
    return point[1]
