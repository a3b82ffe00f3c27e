"""Line pictures as inline SVG that fit any width without stretching their text.

Positions are percentages of the drawing area; lines live in an inner, freely stretched
coordinate system of 1000 by 1000 whose strokes do not scale. Tick labels hang outside the
drawing area, in padding that the style sheet leaves for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self

from markupsafe import Markup

from runner.records.results import ArmResult, Score
from runner.report.format import interval, number
from runner.report.page import percent, tag

# A scale of a picture: from values to per cent of its length, with round ticks.

LOG_RATIO = 30.0
"""From this ratio of largest to smallest value on, a scale that may be logarithmic is."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from `low` to `high` with its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    @classmethod
    def over(
        cls,
        values: Iterable[float],
        *,
        around: int = 5,
        may_log: bool = False,
        whole: bool = False,
    ) -> Self:
        """A scale over the finite values, its ends on round numbers; 0 to 1 when there are
        none. `whole` keeps the ticks on whole numbers."""
        known = [value for value in values if math.isfinite(value)]
        if not known:
            return cls(0.0, 1.0, (0.0, 0.5, 1.0))
        low, high = min(known), max(known)
        if may_log and low > 0 and high / low > LOG_RATIO:
            return cls._logarithmic(low, high)
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            pad = abs(low) / 10 or 0.5
            low, high = low - pad, high + pad
        step = _round_step((high - low) / around)
        if whole:
            step = float(max(1, math.ceil(step)))
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        exact = 3 - math.floor(math.log10(step))
        ticks = tuple(round(index * step, exact) for index in range(first, last + 1))
        return cls(ticks[0], ticks[-1], ticks)

    def within(self, lowest: float | None, highest: float | None) -> Self:
        """The same scale, cut where there can be no values; None for no bound."""
        low = self.low if lowest is None else max(self.low, lowest)
        high = self.high if highest is None else min(self.high, highest)
        ticks = tuple(tick for tick in self.ticks if low <= tick <= high)
        return replace(self, low=low, high=high, ticks=ticks) if low < high and ticks else self

    @classmethod
    def _logarithmic(cls, low: float, high: float) -> Self:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        stride = max(1, math.ceil((last - first) / 6))
        ticks = tuple(10.0**power for power in range(first, last + 1, stride))
        return cls(10.0**first, max(ticks[-1], 10.0**last), ticks, log=True)

    def at(self, value: float) -> float:
        """Position of `value` in per cent, clipped to the scale's ends."""
        low, high, value = (
            (math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low)))
            if self.log
            else (self.low, self.high, value)
        )
        return 100 * min(1.0, max(0.0, (value - low) / (high - low)))

    def label(self, tick: float) -> str:
        """The tick as text, with as many decimals as the ticks need to stay different."""
        return tick_label(tick, self.ticks, log=self.log)


def tick_label(tick: float, ticks: Sequence[float], *, log: bool = False) -> str:
    if log:
        return f"{tick:g}"
    step = min(b - a for a, b in pairwise(ticks))
    largest = max(map(abs, ticks))
    if step < 1e-6 or largest >= 1e9:
        digits = math.ceil(math.log10(largest / step)) + 2
        return f"{tick:.{digits}g}".replace("-", "−")
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, places) != round(step, 9):
        places += 1  # steps such as 0.25 need one more
    return f"{tick:,.{places}f}".replace("-", "−")


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


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


# Point and interval on a shared scale, one line each: the picture of arms and of slices.


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of the picture, ready for the page."""

    name: str
    css: str
    note: str
    """``winner``, ``3 rows`` or empty."""
    picture: Markup
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """What a line shows: a score of something that has a name and a look."""

    name: str
    css: str
    score: Score | None
    note: str = ""
    dots: tuple[float, ...] = ()
    """Further values on the line, each a small ring: a recipe's replicates."""
    filled: int | None = None
    """Which of them is a full dot: the replicate that would be shipped."""


def scale(entries: Sequence[ChartEntry]) -> Axis:
    """A scale over all points and interval ends, within the bounds of the metric."""
    known = [entry.score for entry in entries if entry.score]
    values = [x for score in known for x in (score.value, score.low, score.high)]
    values += [x for entry in entries for x in entry.dots]
    axis = Axis.over(values, around=5)
    return axis.within(known[0].scale.lowest, known[0].scale.highest) if known else axis


def track(entry: ChartEntry, axis: Axis, places: int, reference: float | None) -> ChartLine:
    """The line of `entry`; `reference` is drawn as a dashed upright (the score to beat)."""
    score = entry.score
    return ChartLine(
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


def _picture(entry: ChartEntry, axis: Axis, places: int, reference: float | None) -> Markup:
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
    parts += _dots(entry, axis, places)
    return tag("svg", *parts, class_="track", width="100%", height=28, aria_hidden="true")


def _dots(entry: ChartEntry, axis: Axis, places: int) -> list[Markup]:
    """The values beside the score, below the line so that its mark does not cover them."""
    dots = []
    for at, value in enumerate(entry.dots):
        if math.isfinite(value):
            css = f"dot {entry.css}" if at == entry.filled else f"dot ring {entry.css}"
            shipped = ", to be shipped" if at == entry.filled else ""
            title = tag("title", f"{entry.name}, replicate: {number(value, places)}{shipped}")
            across = percent(axis.at(value))
            dots.append(tag("circle", title, cx=across, cy="82%", r="3.5", class_=css))
    return dots


def _mark(entry: ChartEntry, score: Score, axis: Axis, places: int) -> list[Markup]:
    marks = []
    label = f"{entry.name}: {number(score.value, places)}"
    if math.isfinite(score.low) and math.isfinite(score.high):
        ends = {"x1": percent(axis.at(score.low)), "x2": percent(axis.at(score.high))}
        marks.append(tag("line", **ends, y1="50%", y2="50%", class_=f"whisker {entry.css}"))
        label += f" {interval(score.low, score.high, places)}"
    marks.append(
        tag(
            "circle",
            tag("title", f"{label}, {score.basis}"),
            cx=percent(axis.at(score.value)),
            cy="50%",
            r="5",
            class_=f"dot {entry.css}",
        )
    )
    return marks


# Which look each arm has in every picture: the untuned model in greys, tuned arms in colours that
# stay apart for colour-blind eyes, repeated with other dashes when the colours run out.
#
# The style sheet holds the colours, once for light and once for dark; here are only the classes.

COLOURS = 6
DASHES = 3
GREYS = 3


def looks(arms: Sequence[ArmResult]) -> dict[str, str]:
    """Arm digest to CSS classes. Goes by the arms' order, which the experiment fixes."""
    found: dict[str, str] = {}
    tuned = untuned = 0
    for arm in arms:
        if arm.kind == "tuned":
            found[arm.digest] = f"c{tuned % COLOURS} d{tuned // COLOURS % DASHES}"
            tuned += 1
        else:
            found[arm.digest] = f"b{untuned % GREYS} d0"
            untuned += 1
    return found
