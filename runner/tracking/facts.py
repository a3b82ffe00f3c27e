"""What one MLflow run should hold, worked out from our records before MLflow is touched."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from runner.records import CurvePoint
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, Difference, Score, Scores

RunState = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
"""MLflow's run states that we use."""


@dataclass(frozen=True, slots=True)
class LoggedMetric:
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
class TableArtifact:
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
    measures: tuple[LoggedMetric, ...] = ()
    datasets: tuple[DatasetFact, ...] = ()
    models: tuple[ModelFact, ...] = ()
    traces: tuple[TraceFact, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """Artifact path to its text."""
    tables: Mapping[str, TableArtifact] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    """Artifact path to the file to copy."""


@dataclass(frozen=True, slots=True)
class RunIds:
    """Ids of the runs that belong together, for the links between them."""

    experiment: str
    parent: str
    arms: Mapping[str, str]
    """Arm digest to run id."""


# Names and values as MLflow accepts them: changed as little as possible, never colliding.
#
# MLflow allows letters, digits and ``_ - . : / space`` in metric and param names, at most 250 of
# them, and cuts long values silently; we cut ourselves, so that two values stay different.

MAX_NAME = 250
MAX_PARAM = 500
"""Longer values help nobody in a table column; the whole config is an artifact."""
MAX_TAG = 7900
"""MLflow cuts run tags at 8000."""

_READABLE = str.maketrans({"=": ":", "+": "p"})
_REFUSED = re.compile(r"[^\w.\-:/ ]")


def key(name: str) -> str:
    """`name` as a metric or param name. ``phrasing=unseen`` becomes ``phrasing:unseen`` and
    ``chrf++`` becomes ``chrfpp``; where other characters had to go, four digits of a digest
    keep different names apart."""
    readable = name.translate(_READABLE)
    clean = "/".join(
        part for part in _REFUSED.sub("_", readable).split("/") if part.strip(". ")
    ).strip()
    if clean and clean == readable and len(clean) <= MAX_NAME:
        return clean
    mark = _mark(name, 4)
    return f"{clean[: MAX_NAME - 5] or 'unnamed'}-{mark}"


def value(text: str, limit: int = MAX_PARAM) -> str:
    """`text` cut to `limit` characters, with a digest of the whole so that long values that
    differ only at the end stay different."""
    if len(text) <= limit:
        return text
    mark = _mark(text, 8)
    return f"{text[: limit - 12]} … {mark}"


def model_name(name: str) -> str:
    """`name` for a LoggedModel, which refuses ``/ : . % " '`` and empty names."""
    return re.sub(r"[/:.%\"'\\]", "_", name).strip()[:MAX_NAME] or "unnamed"


def _mark(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]


# An arm's numbers as metrics ``group/name``: curves, scores by checkpoint, test scores, cost.


def curve(point: CurvePoint) -> LoggedMetric:
    """A curve point under Vertex's words: ``train_total_loss`` becomes ``train/total_loss`` and
    ``eval_total_loss`` ``validation/total_loss``."""
    side, _, word = point.name.partition("_")
    group = {"train": "train", "eval": "validation"}.get(side)
    name = f"{group}/{word}" if group else f"curve/{point.name}"
    return LoggedMetric(key(name), point.value, point.step, point.time_ms)


def arm_measures(result: ExperimentResult, arm: ArmResult) -> tuple[LoggedMetric, ...]:
    """Every metric of the arm. A score that is not defined (nan, no rows) is left out."""
    return (
        *_curves(arm),
        *_by_checkpoint(arm),
        *_test(arm, result.primary),
        *_guard(arm),
        *_against_baseline(result, arm),
        *_cost(arm),
    )


def _curves(arm: ArmResult) -> Iterator[LoggedMetric]:
    """The curves; a validation point at a checkpoint's step is that checkpoint's loss too."""
    checkpoints = {item.step: item.id for item in arm.checkpoints}
    for point in arm.tuning.curves if arm.tuning else ():
        measure = curve(point)
        if measure.key.startswith("validation/") and point.step in checkpoints:
            measure = replace(measure, checkpoint=checkpoints[point.step], split="validation")
        yield measure


def _by_checkpoint(arm: ArmResult) -> Iterator[LoggedMetric]:
    recorded = _times(arm.tuning.curves if arm.tuning else ())
    for item in arm.checkpoints:
        time_ms = recorded.get(item.step, arm.ended_ms)
        for name, score in item.validation.overall.items():
            yield from _defined(
                f"validation/{name}", score.value, item.step, time_ms, item.id, "validation"
            )
        if item.id == arm.best:
            for name, score in item.validation.overall.items():
                yield from _defined(f"chosen/validation_{name}", score.value, 0, arm.ended_ms)
            lost = item.validation.share_unanswered
            yield from _defined("chosen/validation_unanswered", lost, 0, arm.ended_ms)
            yield from _defined("chosen/epoch", item.epoch, 0, arm.ended_ms)
    if arm.validation and not arm.checkpoints:
        for name, score in arm.validation.overall.items():
            yield from _defined(
                f"validation/{name}", score.value, 0, arm.ended_ms, split="validation"
            )


def _test(arm: ArmResult, primary: str) -> Iterator[LoggedMetric]:
    if arm.test is None:
        return
    for name, score in arm.test.overall.items():
        for suffix, number in _with_interval(score):
            yield from _defined(f"test/{name}{suffix}", number, 0, arm.ended_ms, arm.best, "test")
    yield from _defined("test/rows", arm.test.rows, 0, arm.ended_ms)
    yield from _unanswered("test", arm.test, arm.ended_ms)
    yield from _slices(arm.test, primary, arm.ended_ms)


def _guard(arm: ArmResult) -> Iterator[LoggedMetric]:
    """What of the guard's rows it meets: all, and by kind."""
    if arm.guard is None:
        return
    for name, score in arm.guard.overall.items():
        for suffix, number in _with_interval(score):
            yield from _defined(f"guard/{name}{suffix}", number, 0, arm.ended_ms)
    for label, by_name in arm.guard.slices.items():
        for score in by_name.values():
            yield from _defined(f"guard/{label}", score.value, 0, arm.ended_ms)


def _unanswered(split: str, scores: Scores, time_ms: int) -> Iterator[LoggedMetric]:
    """The share of rows without a usable answer, and of each cause that there was."""
    yield from _defined(f"{split}/unanswered", scores.share_unanswered, 0, time_ms)
    for cause, rows in scores.unanswered.items():
        yield from _defined(f"{split}/unanswered_{cause}", rows / scores.rows, 0, time_ms)


def _slices(scores: Scores, primary: str, time_ms: int) -> Iterator[LoggedMetric]:
    for label, by_name in scores.slices.items():
        if primary in by_name:
            yield from _defined(f"slice/{label}", by_name[primary].value, 0, time_ms)


def _against_baseline(result: ExperimentResult, arm: ArmResult) -> Iterator[LoggedMetric]:
    found = baseline_difference(result, arm)
    if found is None:
        return
    numbers = {
        found.metric: found.value,
        f"{found.metric}_low": found.low,
        f"{found.metric}_high": found.high,
        "p_holm": float(f"{found.p_holm:.3g}"),
    }
    for name, number in numbers.items():
        yield from _defined(f"gain/{name}", number, 0, arm.ended_ms)


def baseline_difference(result: ExperimentResult, arm: ArmResult) -> Difference | None:
    """The arm's paired difference to its baseline, when it was worked out."""
    for item in result.differences:
        if item.arm == arm.digest and item.against == arm.baseline:
            return item
    return None


def seconds(arm: ArmResult) -> float:
    """Wall-clock seconds the arm's results took, also those found ready in the store."""
    other = sum(value for stage, value in arm.seconds.items() if stage != "tune")
    return other + (arm.tuning.seconds if arm.tuning else arm.seconds.get("tune", 0.0))


def trained_tokens(arm: ArmResult) -> int | None:
    """Tokens trained on: one epoch's, times the epochs that were really done."""
    if arm.tuning is None or not arm.tuning.checkpoints:
        return None
    epochs = max(item.epoch for item in arm.tuning.checkpoints)
    return round(arm.tuning.train_tokens * epochs)


def _cost(arm: ArmResult) -> Iterator[LoggedMetric]:
    if not (arm.seconds or arm.tuning or arm.spent):
        return
    yield from _defined("cost/seconds", seconds(arm), 0, arm.ended_ms)
    if (usd := arm.usd) is not None:
        yield from _defined("cost/usd", usd, 0, arm.ended_ms)
    tokens = trained_tokens(arm)
    if arm.tuning and tokens is not None:
        yield from _defined("cost/tuning_seconds", arm.tuning.seconds, 0, arm.ended_ms)
        yield from _defined("cost/train_tokens", tokens, 0, arm.ended_ms)


def _with_interval(score: Score) -> tuple[tuple[str, float], ...]:
    return ("", score.value), ("_low", score.low), ("_high", score.high)


def _times(points: Sequence[CurvePoint]) -> dict[int, int]:
    """Step to the latest time anything was recorded at it."""
    times: dict[int, int] = {}
    for point in points:
        times[point.step] = max(point.time_ms, times.get(point.step, 0))
    return times


def _defined(
    name: str, number: float, step: int, time_ms: int, checkpoint: str = "", split: str = ""
) -> Iterator[LoggedMetric]:
    if math.isfinite(number):
        yield LoggedMetric(key(name), shown(number), step, time_ms, checkpoint, split)


def shown(number: float) -> float:
    """`number` to six significant digits (whole numbers untouched): MLflow's tables print every
    digit there is, and nobody reads 0.44999999999999996 as 0.45."""
    return float(number) if float(number).is_integer() else float(f"{number:.6g}")
