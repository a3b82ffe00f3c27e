"""What earlier experiments on like data found: the same task, a model of the same family, and
training rows of about the same number."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from runner.advice.profile import task_of
from runner.records.advice import DataProfile, EarlierSetting
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, Score

SHOWN = 3
"""Experiments that are shown beside a rule."""


def earlier_settings(
    results: Iterable[ExperimentResult],
    profile: DataProfile,
    model: str,
    at_most: float,
    *,
    rehearsal: bool = False,
) -> tuple[EarlierSetting, ...]:
    """The best setting of each experiment on like data, those with the nearest number of rows
    first, at most `SHOWN`.

    `model` is the name in tables; `at_most` how many times as many rows, or as few, still count
    as like. Rehearsals on the emulator, whose scores say nothing of Gemini, count for a
    `rehearsal` only. Within an experiment the best is the arm with the highest primary score on
    validation, or on test where there are no validation rows.
    """
    found = [
        (distance, setting)
        for result in results
        for distance, setting in _best(result, profile, family(model), at_most, rehearsal)
    ]
    # Stable: of equally near ones the newest comes first, as the ledger has them.
    return tuple(setting for _, setting in sorted(found, key=lambda pair: pair[0])[:SHOWN])


def family(model: str) -> str:
    """``gemini-3`` of ``gemini-3.1-flash-lite``, ``smollm2`` of ``smollm2-135m``."""
    return re.match(r"gemini-\d+|[^-]*", model.lower())[0]  # type: ignore[index]


def _best(
    result: ExperimentResult, profile: DataProfile, kin: str, at_most: float, rehearsal: bool
) -> Iterator[tuple[float, EarlierSetting]]:
    arms = [arm for arm in result.arms if _like(arm, profile, kin, at_most, rehearsal)]
    scored = [(arm, score) for arm in arms if (score := _picks(arm, result.primary))]
    if not scored:
        return
    scale = scored[0][1].scale
    arm, _ = max(scored, key=lambda pair: scale.gain(pair[1].value))
    split, shown = _shown(arm, result.primary)
    tuning: Mapping[str, Any] = arm.config.get("tuning", {})
    chosen = next((item.epoch for item in arm.checkpoints if item.id == arm.best), None)
    setting = EarlierSetting(
        experiment=result.name,
        ended=_day(result.ended_ms or arm.ended_ms),
        model=arm.model,
        rows=arm.train_examples,
        epochs=tuning.get("epochs"),
        learning_rate_multiplier=tuning.get("learning_rate_multiplier"),
        adapter_size=tuning.get("adapter_size"),
        metric=result.primary,
        score=shown.value,
        split=split,
        best_epoch=chosen,
        arms=len(scored),
    )
    yield _apart(arm.train_examples, profile.rows), setting


def _like(arm: ArmResult, profile: DataProfile, kin: str, at_most: float, rehearsal: bool) -> bool:
    return (
        arm.kind == "tuned"
        and arm.status == "done"
        and arm.train_examples > 0
        and arm.rehearsal == rehearsal
        and family(arm.model) == kin
        and task_of(arm.config.get("suite", {})) == profile.task
        and arm.config.get("tuning", {}).get("method", "supervised") == profile.method
        and _apart(arm.train_examples, profile.rows) <= math.log(at_most)
    )


def _apart(rows: int, others: int) -> float:
    """How far two numbers of rows lie apart: the logarithm of their ratio."""
    return abs(math.log(rows / others)) if rows and others else math.inf


def _picks(arm: ArmResult, primary: str) -> Score | None:
    """What picks the best arm."""
    for scores in (arm.validation, arm.test):
        score = scores.overall.get(primary) if scores else None
        if score and math.isfinite(score.value):
            return score
    return None


def _shown(arm: ArmResult, primary: str) -> tuple[str, Score]:
    """What is said of it: the score on test, which picked nothing."""
    if arm.test and primary in arm.test.overall:
        return "test", arm.test.overall[primary]
    assert arm.validation
    return "validation", arm.validation.overall[primary]


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
