"""A number that is known only between two bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """From `low` to `high`, neither below zero."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Band | float) -> Band:
        by = other if isinstance(other, Band) else Band(other, other)
        return Band(self.low * by.low, self.high * by.high)


def total(bands: Iterable[Band]) -> Band:
    """The sum; nothing sums to zero."""
    return sum(bands, Band())
