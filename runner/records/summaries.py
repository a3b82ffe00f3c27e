"""What prepared and rendered rows come to in numbers: ``summary.json`` of both stages.

Every field has a default: a summary of an older version may lack it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runner.records.json_form import every_field, given_fields, read_record, unreadable
from runner.records.leaks import LeakCheck
from runner.records.rows import Example
from runner.records.tally import MixedSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "summary.json"


@dataclass(frozen=True, slots=True)
class TrainCounts:
    """Training rows as read (after cleaning), whatever was then done about them."""

    rows: int = 0
    exact_duplicates: int = 0
    conflicting_rows: int = 0
    near_duplicates: int = 0


@dataclass(frozen=True, slots=True)
class EvaluationCounts:
    """Rows of an evaluation split that repeat each other: protected, so only reported."""

    rows: int = 0
    repeats: int = 0
    conflicting_texts: int = 0


@dataclass(frozen=True, slots=True)
class ClusterCounts:
    """Clusters of near-duplicates, rows in them, rows of the largest, clusters by size."""

    clusters: int = 0
    rows: int = 0
    largest: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConflictingRow:
    """A row that shares its input with one that has another target."""

    id: str = ""
    file: str = ""
    line: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An input with several targets, and its rows."""

    text: str = ""
    rows: tuple[ConflictingRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """How counts (characters or tokens a row) are spread, to one digit."""

    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    max: int = 0

    @classmethod
    def of(cls, values: Sequence[int] | NDArray[np.int32]) -> Spread | None:
        """That of some counts; None for no counts."""
        import numpy as np

        if not len(values):
            return None
        counts = np.asarray(values)
        p50, p90, p99 = (round(value, 1) for value in np.percentile(counts, (50, 90, 99)).tolist())
        return cls(round(float(counts.mean()), 1), p50, p90, p99, int(counts.max()))


@dataclass(frozen=True, slots=True)
class PreparedSummary:
    """The numbers of a prepared folder. Counts of repeats, conflicts and leaks describe the rows
    as read (after cleaning)."""

    rows: Mapping[str, int] = field(default_factory=dict)
    """Split to the rows it holds."""
    train: TrainCounts = TrainCounts()
    mix: Mapping[str, tuple[MixedSource, ...]] = field(default_factory=dict)
    """Split to what was taken of each of its sources, where it has several."""
    near_clusters: ClusterCounts | None = None
    """None where near-duplicates were not looked for."""
    evaluation: Mapping[str, EvaluationCounts] = field(default_factory=dict)
    conflicting_texts: int = 0
    conflicts: tuple[Conflict, ...] = ()
    """The first ones."""
    leakage: Mapping[str, int] = field(default_factory=dict)
    """What is shared (``test_rows_in_train`` ...) to rows."""
    leak_looks: tuple[LeakCheck, ...] = ()
    """What the search for leaks looked at; empty in folders of versions that did not say."""
    labels: Mapping[str, Mapping[str, int] | None] = field(default_factory=dict)
    """Split to its rows by target, most first; None where targets are no labels."""
    lengths: Mapping[str, Mapping[str, Spread]] = field(default_factory=dict)
    """Split to the characters of ``input`` and ``target``; splits without rows are absent."""
    columns: tuple[str, ...] = ()
    """Input columns."""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What people should see before they go on."""


@dataclass(frozen=True, slots=True)
class SplitTokens:
    """Tokens of one pass over a split. `exact` is None where only an estimate is possible; the
    spread is then of the upper estimate."""

    exact: int | None = None
    low: int = 0
    high: int = 0
    prompt: Spread | None = None
    """None without rows; an empty object in JSON."""
    target: Spread | None = None

    @property
    def most(self) -> int:
        """The exact count, or the upper estimate."""
        return self.high if self.exact is None else self.exact

    @property
    def least(self) -> int:
        """The exact count, or the lower estimate."""
        return self.low if self.exact is None else self.exact

    def to_json(self) -> dict[str, object]:
        return {**every_field(self), "prompt": self.prompt or {}, "target": self.target or {}}


@dataclass(frozen=True, slots=True)
class LintExample:
    """A prompt that breaks a lint rule."""

    rule: str = ""
    id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LintCount:
    """A lint rule with the training prompts that break it, and the first of them."""

    rule: str
    rows: int = 0
    message: str = ""
    examples: tuple[LintExample, ...] = ()


@dataclass(frozen=True, slots=True)
class NewRow:
    """Where a new training row comes from: a line of ``augmented.jsonl``. The targets are given
    where they differ."""

    id: str = ""
    of: str = ""
    """Id of the row it was made of."""
    rule: str = "new"
    before: str = ""
    after: str = ""
    target_before: str | None = None
    target_after: str | None = None

    def to_json(self) -> dict[str, object]:
        return given_fields(self)


@dataclass(frozen=True, slots=True)
class NewRows:
    """New training rows by the rule that made them, their share of train, some of them."""

    rows: Mapping[str, int] = field(default_factory=dict)
    share: float = 0.0
    samples: tuple[NewRow, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedSummary:
    """The numbers of a rendered folder."""

    rows: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, SplitTokens] = field(default_factory=dict)
    too_long: Mapping[str, int] = field(default_factory=dict)
    """Split to rows beyond the model's context."""
    lint: tuple[LintCount, ...] = ()
    rendered: tuple[Example, ...] = ()
    """The first training examples."""
    augmented: NewRows | None = None
    """None when no new rows were asked for; an empty object in JSON."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {**every_field(self), "augmented": self.augmented or {}}


def read_prepared(folder: Path) -> PreparedSummary:
    """The numbers of a prepared folder. Raises DataError when they cannot be read."""
    return read_record(folder / NAME, PreparedSummary)


def read_rendered(folder: Path) -> RenderedSummary:
    """The numbers of a rendered folder. Raises DataError when they cannot be read."""
    return read_record(folder / NAME, RenderedSummary)


def read_train_tokens(folder: Path) -> SplitTokens:
    """Tokens of the training rows of a rendered folder. Raises DataError when they are not
    there: what is paid is worked out from them."""
    found = read_rendered(folder).tokens.get("train")
    if found is None:
        raise unreadable(folder / NAME, "it has no token counts of train")
    return found
