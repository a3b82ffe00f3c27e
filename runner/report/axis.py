"""A scale of a picture: from values to per cent of its length, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

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
