"""Knobs that are ``recommended`` become numbers, before points become arms.

The data of such a point is made first, since the rules go by it. From then on the point is the one
that somebody would have written with the numbers in place: the same arms, the same jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.advice import (
    SharedAdvice,
    earlier_settings,
    recommend,
    recommend_beside,
    shared_advice,
)
from runner.base.errors import ConfigError, DataError, GateError, Problem
from runner.config import Experiment
from runner.config.compatibility import misfits, today
from runner.experiment.arms import Arm, Point, label, tuned_digest
from runner.experiment.profile_stage import data_profile
from runner.experiment.stage import ArmRun
from runner.experiment.stages import Stages, data_stages, get_tokenizer
from runner.records.advice import Advised, DataProfile, Recommendation
from runner.store.ledger import Ledger

RunOf = Callable[[Experiment, str], ArmRun]
"""An experiment, and the digest of the arm that it is so far, to its view of the stages."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AdvisedPoint:
    """A point whose knobs all have their numbers."""

    varying: Mapping[str, str]
    config: Mapping[str, Any]
    experiment: Experiment
    advised: Advised | None = None
    """None for a point that left nothing to advice."""
    before: str = ""
    """Digest of its arm as it was before: who paid for its data, if it had to be paid for."""
    came_to: Mapping[str, str] = field(default_factory=dict)
    """Swept keys that were ``recommended``, and what they came to."""

    @property
    def taken(self) -> Mapping[str, float | None]:
        """The knobs that were left to advice."""
        return self.advised.taken if self.advised else {}


@dataclass(frozen=True)
class AdvisedPoints:
    """All points of an experiment, with their numbers."""

    points: Sequence[AdvisedPoint]
    data: Sequence[str]
    """Data digest of each."""
    digests: Sequence[str]
    """Digest of the tuned arm of each; points that advice made the same have one."""

    def distinct(self, say: Say) -> tuple[list[AdvisedPoint], list[str]]:
        """The points and their data digests, each arm once. What advice made the same is one arm,
        which is said; what was written twice is left to whoever makes arms of it."""
        first: dict[str, int] = {}
        kept = []
        for at, digest in enumerate(self.digests):
            other = self.points[first.setdefault(digest, at)]
            this = self.points[at]
            if first[digest] == at or not (this.advised or other.advised):
                kept.append(at)
            else:
                say(_one_arm(this, other))
        return [self.points[at] for at in kept], [self.data[at] for at in kept]

    def told(self, arms: Sequence[Arm], ledger: Ledger, experiment: str) -> list[Arm]:
        """The arms, those with recommended knobs with what that rests on, and with what earlier
        experiments found. What their data cost is booked on them, in the name of `experiment`, a
        digest."""
        known: dict[str, AdvisedPoint] = {}
        for digest, point in zip(self.digests, self.points, strict=True):
            if point.advised and len(point.taken) >= len(known.get(digest, point).taken):
                known[digest] = point
        if not known:
            return list(arms)
        for digest, point in zip(self.digests, self.points, strict=True):
            if point.before:
                ledger.rebook(point.before, experiment, digest)
        results = [r for r in ledger.experiments() if r.ended_ms and r.digest != experiment]
        found = {}
        for digest, point in known.items():
            assert point.advised
            like = earlier_settings(
                results,
                point.advised.profile,
                point.experiment.model.name,
                point.experiment.advice.alike,
                rehearsal=point.experiment.backend.rehearsal,
            )
            found[digest] = replace(point.advised, earlier=like, looked_at=len(results))
        return [replace(arm, advised=found.get(arm.recipe)) for arm in arms]


def _one_arm(point: AdvisedPoint, other: AdvisedPoint) -> str:
    """Why there is one arm for two points."""
    name = label(other.varying) or "tuned"
    came_to = point.came_to or other.came_to
    if not came_to:
        return f"{label(point.varying)!r} comes to the same numbers as {name!r}: one arm"
    values = " and ".join(f"{key}: recommended is {text}" for key, text in came_to.items())
    return f"{values}, which the sweep has as well: one arm, {name!r}"


def fill_in(
    points: Sequence[Point], data: Sequence[str], stages: Stages, run_of: RunOf, say: Say
) -> AdvisedPoints:
    """Every point with its numbers; what a swept knob came to stands among what varies.

    Raises ConfigError where no rule fires, or its values do not go with model and backend, and
    BudgetError where the data has to be paid for and may not. A point among several whose data
    cannot be made stays as it is: it fails where it runs, and the others do not.
    """
    alone = len(points) == 1
    filled = [
        _filled(point, tuned_digest(point, digest, stages), stages, run_of, say, alone=alone)
        for point, digest in zip(points, data, strict=True)
    ]
    filled = _with_what_differs(filled)
    digests = [tuned_digest(p, digest, stages) for p, digest in zip(filled, data, strict=True)]
    return AdvisedPoints(filled, data, digests)


def _filled(
    point: Point, digest: str, stages: Stages, run_of: RunOf, say: Say, *, alone: bool
) -> AdvisedPoint:
    as_it_is = AdvisedPoint(point.varying, point.config, point.experiment)
    if not point.experiment.tuning.asked:
        return as_it_is
    run = run_of(point.experiment, digest)
    get_tokenizer(run, say)
    try:
        for stage in data_stages(run, stages):
            run.make(stage)
        profile = data_profile(run)
    except (DataError, GateError):
        if alone:
            raise
        return replace(as_it_is, before=digest)
    return _with_numbers(point, profile, digest)


def _with_numbers(point: Point, profile: DataProfile, before: str) -> AdvisedPoint:
    experiment = point.experiment
    advice, model, asked = experiment.advice, experiment.model, experiment.tuning
    found = recommend(advice, profile, model)
    taken, capped = _taken(experiment, found)
    change: dict[str, Any] = dict(taken)
    if "epochs" in taken and taken["epochs"] is None and found.most_epochs is not None:
        change["max_epochs"] = min(found.most_epochs, asked.max_epochs)
    tuning = asked.model_validate(asked.model_dump() | change)
    settled = experiment.model_copy(update={"tuning": tuning})
    _check(settled, found.rule)
    came_to = {
        key: _text(taken[knob]) for knob in taken if (key := f"tuning.{knob}") in point.varying
    }
    return AdvisedPoint(
        varying={**point.varying, **came_to},
        config={**point.config, "tuning": tuning.model_dump(mode="json")},
        experiment=settled,
        advised=Advised(profile, found, taken, capped, recommend_beside(advice, profile, model)),
        before=before,
        came_to=came_to,
    )


def _taken(experiment: Experiment, found: Recommendation) -> tuple[dict[str, float | None], str]:
    """The values for the knobs that were left open, and why there are fewer epochs than the rule
    has."""
    taken: dict[str, float | None] = {knob: found.values[knob] for knob in experiment.tuning.asked}
    most, epochs = experiment.tuning.max_epochs, taken.get("epochs")
    if epochs is None or epochs <= most:
        return taken, ""
    return taken | {"epochs": most}, f"epochs {most}: tuning.max_epochs allows no more"


def _check(experiment: Experiment, rule: str) -> None:
    """Raise ConfigError where the numbers do not go with model and backend."""
    found = [
        Problem(each.key, f"{each.message} (recommended by the rule {rule})")
        for each in misfits(experiment.model, experiment.backend, experiment.tuning, today())
    ]
    if found:
        raise ConfigError(found)


def _with_what_differs(points: Sequence[AdvisedPoint]) -> list[AdvisedPoint]:
    """The points, with every filled-in knob that is not the same for all among what varies: arms
    of other data may have got other numbers, and a reader has to see both."""
    knobs = dict.fromkeys(knob for each in points if each.advised for knob in each.advised.taken)
    swept = {key for point in points for key in point.varying}
    differing = {
        knob: f"tuning.{knob}"
        for knob in knobs
        if not {f"tuning.{knob}", "tuning"} & swept
        and len({getattr(point.experiment.tuning, knob) for point in points}) > 1
    }
    if not differing:
        return list(points)
    return [
        replace(
            point,
            varying={
                **point.varying,
                **{key: _text(getattr(point.experiment.tuning, k)) for k, key in differing.items()},
            },
        )
        for point in points
    ]


def _text(value: float | str | None) -> str:
    """As it reads in an arm's name; what could not be worked out stays the word."""
    return "null" if value is None else value if isinstance(value, str) else f"{value:g}"


# What was recommended to which arms, once for all that stand on the same data and model.


def by_advice(arms: Sequence[Arm]) -> list[SharedAdvice]:
    """Everything that was recommended, in the arms' order; replicates are those of their recipe."""
    return shared_advice((arm.name, arm.advised) for arm in arms if arm.replicate == 1)


def advice_lines(arms: Sequence[Arm]) -> Iterator[str]:
    """What `sft plan` and `sft run` say of it."""
    for shared in by_advice(arms):
        yield from shared.lines()
