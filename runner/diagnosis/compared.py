"""What the checks beyond curves look at: a tuned arm beside the arm it has to beat."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.records import UNKNOWN, Scale, ScoredRow
from runner.records.results import ArmResult, Difference, Score, Scores

Z95 = 1.96
SHOWN = 8
"""Ids of rows that a finding names."""


@dataclass(frozen=True, slots=True)
class TrainRows:
    """The rows that an arm was tuned on, as far as checks count them."""

    prompts: frozenset[str] = frozenset()
    """Digests or texts of the prompts."""
    rows: int = 0
    repeats: int = 0
    """Rows whose prompt and target stand in an earlier row."""
    targets: Mapping[str, int] = field(default_factory=dict)
    """Target to its rows."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One tuned arm. Rows are empty where their files are gone."""

    arm: ArmResult
    primary: str
    bar: ArmResult | None = None
    """The strongest untuned arm, asked the same rows."""
    difference: Difference | None = None
    """Of the two on test."""
    margin: float | None = None
    """`suite.margin`."""
    rows: Sequence[ScoredRow] = ()
    """Of test."""
    bar_rows: Sequence[ScoredRow] = ()
    train: TrainRows | None = None
    test_prompts: Mapping[str, str] = field(default_factory=dict)
    """Row id to its prompt, as in `TrainRows.prompts`."""
    skew: Sequence[str] | None = None
    """What the comparison with production prompts warned of; None where there was none."""
    first_loss: float | None = None
    usd: float | None = None

    @property
    def test(self) -> Score | None:
        return primary(self.arm.test, self.primary)

    @property
    def scale(self) -> Scale:
        return self.test.scale if self.test else UNKNOWN

    @property
    def width(self) -> float:
        """Of the scale; nan where it has no bounds, so that no share of it is a finding."""
        return self.scale.width or math.nan

    @property
    def answered(self) -> list[ScoredRow]:
        return [row for row in self.rows if not row.error]

    def text(self, value: float) -> str:
        return f"{value:.{self.scale.places(value)}f}"

    def signed(self, value: float) -> str:
        return f"{value:+.{self.scale.places(value)}f}"

    def way(self, value: float) -> float:
        """How far a score is from the metric's worst value to its best, 0 to 1; nan where one of
        them has no bound."""
        worst, best = self.scale.worst, self.scale.best
        if worst is None or best is None:
            return math.nan
        return (value - worst) / (best - worst)


def primary(scores: Scores | None, name: str) -> Score | None:
    """The primary score, None where it is not there or no number."""
    score = scores.overall.get(name) if scores else None
    return score if score and math.isfinite(score.value) else None


def error(score: Score) -> float:
    """Standard error, from the 95 % interval; nan without one."""
    return (score.high - score.low) / (2 * Z95)


def answer(row: ScoredRow) -> str:
    """What of the answer is scored."""
    return (row.extracted if row.extracted is not None else row.text).strip()


def commonest(texts: Sequence[str]) -> tuple[str, float]:
    """The text that stands there most often, and its share; of at least one text."""
    text, count = Counter(texts).most_common(1)[0]
    return text, count / len(texts)
