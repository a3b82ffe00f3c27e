"""What the checks of curves look at: one tuned arm's curves, checkpoints and settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from runner.diagnosis.compared import error
from runner.diagnosis.compared import primary as score_of
from runner.diagnosis.series import Series, series
from runner.records import SHARE, UNKNOWN, CurvePoint, Scale
from runner.records.results import ArmResult, Score

TRAIN_LOSS, VALIDATION_LOSS = "train_total_loss", "eval_total_loss"
TRAIN_HITS = "train_fraction_of_correct_next_step_preds"
VALIDATION_HITS = "eval_fraction_of_correct_next_step_preds"
NONE = Series()
ALIKE = 0.5
"""Difference of two first losses, as a share of one, within which they measure the same thing; the
first batches are noisy."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The suite's primary score on validation at one checkpoint; `error` is its standard error,
    nan where there is no interval."""

    step: float
    epoch: float
    value: float
    error: float
    rows: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """One tuned arm. Curves that were not recorded are empty."""

    train: Series
    validation: Series = NONE
    train_hits: Series = NONE
    validation_hits: Series = NONE
    scored: tuple[Scored, ...] = ()
    metric: str = "the primary score"
    scale: Scale = UNKNOWN
    steps_an_epoch: float = 0.0
    """0 where it is not known."""
    multiplier: float | None = None
    """Of the learning rate, as set; None where the service chose."""
    epochs: int | None = None
    untrained: bool = False
    """Whether the base model was initialised at random, so that it begins knowing nothing."""
    score: Score | None = None
    """The chosen checkpoint's primary score on test."""
    bar: Score | None = None
    """The best untuned arm's."""
    guess: float | None = None
    """The primary score of answering every test row with the commonest target; None where targets
    are no labels."""
    validation_tokens: int | None = None
    deduplicated: bool = False
    """Whether near-duplicates were removed from its training rows."""
    error: str = ""
    """Why the arm failed."""

    @property
    def start(self) -> float:
        """The training loss before training changed anything: validation's at step 0, where the two
        splits begin alike, else the median of the first three training points."""
        early = self.early_train
        if self.at_start and abs(self.early_validation - early) < ALIKE * early:
            return self.early_validation
        return early

    @property
    def at_start(self) -> bool:
        """Whether validation was measured before the first step."""
        return bool(len(self.validation)) and self.validation.steps[0] == 0

    @property
    def early_train(self) -> float:
        return median(self.train.values[:3])

    @property
    def early_validation(self) -> float:
        return self.validation.first

    @property
    def gain(self) -> float | None:
        """Of the score over the best untuned arm, or over guessing where that is better, as a share
        of the scale; None where there is nothing to hold it against."""
        known = [self.bar.value] if self.bar else []
        known += [self.guess] if self.guess is not None else []
        if not self.score or not known:
            return None
        least = min(self.scale.gain(self.score.value - value) for value in known)
        return least / self.scale.width if self.scale.width else None

    def epoch_at(self, step: float) -> float | None:
        """Epochs done at a step, to be typed; None where steps an epoch are not known."""
        return step / self.steps_an_epoch if self.steps_an_epoch else None

    def place(self, step: float) -> str:
        """``step 120 (epoch 2.4)``."""
        epoch = self.epoch_at(step)
        return f"step {step:g}" + (f" (epoch {epoch:.3g})" if epoch is not None else "")

    def times_rate(self, factor: float) -> str:
        """The override that changes the learning rate by a factor."""
        return f"tuning.learning_rate_multiplier={(self.multiplier or 1.0) * factor:.3g}"


def tuned_arm(
    arm: ArmResult, primary: str, bar: Score | None, targets: Sequence[str] = ()
) -> Tuned:
    """An arm as the checks see it; `targets` are those of its test rows."""
    points = arm.tuning.curves if arm.tuning else ()
    settings: Mapping[str, Any] = arm.config.get("tuning") or {}
    model: Mapping[str, Any] = arm.config.get("model") or {}
    score = score_of(arm.test, primary)
    scored = tuple(_scored(arm, primary))
    scale = next((each.scale for each in (score, bar) if each), UNKNOWN)
    tokens = [p.value for p in points if p.name == "eval_num_predictions"]
    return Tuned(
        **curves_by_name(points),
        scored=scored,
        metric=primary or "the primary score",
        scale=scale,
        steps_an_epoch=_steps_an_epoch(arm),
        multiplier=settings.get("learning_rate_multiplier"),
        epochs=settings.get("epochs"),
        untrained=model.get("kind") == "random",
        score=score,
        bar=bar,
        guess=guess_of(targets, scale),
        validation_tokens=int(max(tokens)) if tokens else None,
        deduplicated=removes_near_duplicates(arm),
        error=arm.error if arm.status == "failed" else "",
    )


def guess_of(targets: Sequence[str], scale: Scale) -> float | None:
    """The share of the commonest target, on the scale; None where half of them are different, or
    the scale is not one of shares."""
    if not targets or len(set(targets)) > len(targets) / 2 or scale.unit != SHARE.unit:
        return None
    return Counter(targets).most_common(1)[0][1] / len(targets)


def removes_near_duplicates(arm: ArmResult) -> bool:
    """Whether the arm's configuration asks for it."""
    prepare: Mapping[str, Any] = arm.config.get("prepare") or {}
    return bool((prepare.get("dedup") or {}).get("fuzzy"))


def without_duplicates(removed: bool) -> str:
    """The override that removes (more) near-duplicates."""
    return "prepare.dedup.fuzzy.threshold=0.6" if removed else "prepare/dedup=fuzzy"


def curves_by_name(points: Iterable[CurvePoint]) -> dict[str, Series]:
    """The four curves as `Tuned` names them."""
    fields = {
        "train": TRAIN_LOSS,
        "validation": VALIDATION_LOSS,
        "train_hits": TRAIN_HITS,
        "validation_hits": VALIDATION_HITS,
    }
    known = list(points)
    return {
        name: series((p.step, p.value, p.time_ms) for p in known if p.name == curve)
        for name, curve in fields.items()
    }


def _scored(arm: ArmResult, primary: str) -> Iterable[Scored]:
    for each in arm.checkpoints:
        score = score_of(each.validation, primary)
        if score:
            yield Scored(each.step, each.epoch, score.value, error(score), score.n)


def _steps_an_epoch(arm: ArmResult) -> float:
    """By the last checkpoint, else by the last point that says its epoch."""
    places = [(c.step, c.epoch) for c in (arm.tuning.checkpoints if arm.tuning else ())]
    places += [(p.step, p.epoch) for p in (arm.tuning.curves if arm.tuning else ())]
    return next((step / epoch for step, epoch in places if step and epoch), 0.0)
