"""What a metric is given and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from runner.config import Suite
from runner.statistics.measure import Measure


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """One row as metrics see it, extraction done."""

    answer: str | None
    """None when there is no usable answer: what the metric makes of that has to be the worst
    there is, and the mean of rows takes the scale's worst value in its place."""
    references: tuple[str, ...]
    """The target first."""

    @property
    def text(self) -> str:
        """The answer as text, empty when there is none."""
        return self.answer or ""


@dataclass(frozen=True, slots=True)
class MetricResult:
    """What one metric of a suite gave."""

    measures: list[Measure]
    tables: dict[str, list[Measure]] = field(default_factory=dict)
    """Further scores shown beside the slices, e.g. ``label=refund``."""


class MetricKind(Protocol):
    """How a kind of metric is added: a module here, or an object that an installed package
    names under the entry point ``runner.metrics``. Each score says by its `Scale` what its
    values mean, which way is up and which value is the worst."""

    def names(self, metric: Any, fields: Sequence[str]) -> list[str]:
        """The scores it gives; `fields` are the JSON fields that stand in the references."""

    def measure(self, rows: Sequence[ScoredAnswer], metric: Any, suite: Suite) -> MetricResult:
        """The scores over the rows, also over none. `metric` is its part of the suite."""
