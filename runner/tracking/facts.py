"""What one MLflow run should hold, worked out from our records before MLflow is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

RunState = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
"""MLflow's run states that we use."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric value. `time_ms` never comes from a clock but from the record, so that
    writing it again is recognised as a repetition."""

    key: str
    value: float
    step: int
    time_ms: int
    checkpoint: str = ""
    """Id of the checkpoint it scores; empty for none."""
    split: str = ""
    """The dataset it was measured on, by split."""


@dataclass(frozen=True, slots=True)
class DatasetFact:
    """One dataset of a run. `digest` is ours: of the rows' content."""

    split: str
    name: str
    digest: str
    rows: int | None
    source: str


@dataclass(frozen=True, slots=True)
class ModelFact:
    """One checkpoint, shown as a LoggedModel."""

    checkpoint: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TraceFact:
    """One answer, shown as a trace for people to read and rate."""

    row: str
    prompt: str
    response: str
    error: str
    expected: str
    scores: Mapping[str, float]
    slices: Mapping[str, str]
    time_ms: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table artifact in the form of `mlflow.log_table`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class RunFacts:
    """One MLflow run, complete."""

    name: str
    state: RunState
    start_ms: int
    end_ms: int
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    datasets: tuple[DatasetFact, ...] = ()
    models: tuple[ModelFact, ...] = ()
    traces: tuple[TraceFact, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """Artifact path to its text."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    """Artifact path to the file to copy."""


@dataclass(frozen=True, slots=True)
class Places:
    """Ids of the runs that belong together, for the links between them."""

    experiment: str
    parent: str
    arms: Mapping[str, str]
    """Arm digest to run id."""
