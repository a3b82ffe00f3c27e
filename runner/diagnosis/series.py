"""Curves as numbers to reason about: cleaned of repetitions, with their own noise.

Pure functions of what a tuning job recorded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

MAD_TO_SD = 1.4826
"""Median absolute deviation to standard deviation, of normal noise."""
QUARTER_TO_SD = 3.138
"""First quartile of the absolute deviations to standard deviation, of normal noise."""


MOST = 60
"""Values that a trend is worked out of; more are put together by their medians."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve by step. `undefined` are the steps whose value is no number."""

    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    undefined: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def first(self) -> float:
        return self.values[0]

    @property
    def last(self) -> float:
        return self.values[-1]

    @property
    def end(self) -> float:
        """The last step."""
        return self.steps[-1]

    def part(self, low: float, high: float) -> list[float]:
        """Values from `low` to `high`, shares of the way from step 0 to the last one; the nearest
        one where there are none."""
        inside = [
            value
            for step, value in zip(self.steps, self.values, strict=True)
            if low * self.end <= step <= high * self.end
        ]
        return inside or [self.at((low + high) / 2 * self.end)]

    def level(self, low: float, high: float) -> float:
        """Median of a part: one odd batch does not move it."""
        return median(self.part(low, high))

    def at(self, step: float) -> float:
        """The value at a step, between two points on the line through them."""
        if step <= self.steps[0]:
            return self.values[0]
        for at in range(1, len(self.steps)):
            if step <= self.steps[at]:
                before, after = self.steps[at - 1], self.steps[at]
                share = (step - before) / (after - before)
                return self.values[at - 1] + share * (self.values[at] - self.values[at - 1])
        return self.values[-1]

    def noise(self) -> float | None:
        """Standard deviation of the points about the line through their neighbours, after the first
        third, where curves bend most; None below 8 points, which cannot tell noise from shape."""
        if len(self) < 8:
            return None
        bends = [
            abs(self.values[at] - (self.values[at - 1] + self.values[at + 1]) / 2)
            for at in range(len(self) // 3, len(self) - 1)
        ]
        # A point has variance s^2 and the mean of its neighbours s^2 / 2.
        return MAD_TO_SD * median(bends) / math.sqrt(1.5)

    def noise_share(self) -> float:
        """The same in the first half, as a share of the values: the noise of batches shrinks with
        the loss. By the quietest quarter, since a spike bends three points. 0 below 4 points."""
        bends = sorted(
            abs(self.values[at] - mean) / mean
            for at in range(1, len(self) - 1)
            if self.steps[at] <= self.end / 2
            and (mean := (self.values[at - 1] + self.values[at + 1]) / 2) > 0
        )
        return QUARTER_TO_SD * bends[len(bends) // 4] / math.sqrt(1.5) if len(bends) > 1 else 0.0

    def smooth(self, width: int = 3) -> Series:
        """Running median over `width` points, fewer at both ends."""
        half = width // 2
        values = tuple(
            median(self.values[max(0, at - half) : at + half + 1]) for at in range(len(self))
        )
        return Series(self.steps, values, self.undefined)


def series(points: Iterable[tuple[float, float, int]]) -> Series:
    """A curve from (step, value, time) in any order. Where a restarted job went back to an earlier
    step, what it had recorded from there on is forgotten."""
    order = list(points)
    if len({time_ms for _, _, time_ms in order}) > 1:
        order.sort(key=lambda point: point[2])
    else:  # times that tell nothing
        order = sorted({step: (step, value, at) for step, value, at in order}.values())
    kept: list[tuple[float, float]] = []
    for step, value, _ in order:
        while kept and kept[-1][0] >= step:
            kept.pop()
        kept.append((step, value))
    good = [(step, value) for step, value in kept if math.isfinite(value)]
    return Series(
        tuple(step for step, _ in good),
        tuple(value for _, value in good),
        tuple(step for step, value in kept if not math.isfinite(value)),
    )


def falling(values: Sequence[float]) -> float:
    """How surely values fall: Mann-Kendall's z (Mann 1945), negative where they fall. 0 below 4
    values, which prove nothing."""
    if len(values) > MOST:
        size = len(values) / MOST
        values = [median(values[int(at * size) : int((at + 1) * size)]) for at in range(MOST)]
    n = len(values)
    if n < 4:
        return 0.0
    score = sum(
        (values[later] > values[at]) - (values[later] < values[at])
        for at in range(n)
        for later in range(at + 1, n)
    )
    spread = math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    return (score - math.copysign(1, score)) / spread if score else 0.0
