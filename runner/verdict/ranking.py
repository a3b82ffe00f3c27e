"""The best of several arms by their primary score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from runner.records import Scale
from runner.records.results import ArmResult, Score, Scores

NOTHING = Score(value=math.nan, low=math.nan, high=math.nan, n=0)


def primary_of(scores: Scores | None, primary: str) -> Score:
    """The primary score; one without a value when there is none."""
    return scores.overall.get(primary, NOTHING) if scores else NOTHING


def strongest(arms: Sequence[ArmResult], primary: str) -> ArmResult | None:
    """The arm with the best primary test score, None when no arm has one."""
    return best_of(arms, {arm.digest: primary_of(arm.test, primary) for arm in arms})


def best_of(arms: Sequence[ArmResult], by: Mapping[str, Score]) -> ArmResult | None:
    """The arm with the best of these scores, by digest; the first one of equals."""
    best: ArmResult | None = None
    for arm in arms:
        ours = by[arm.digest]
        if best is None:
            best = arm if ours.value == ours.value else None
        elif ours.scale.better(ours.value, by[best.digest].value):
            best = arm
    return best


def shown(value: float, scale: Scale) -> str:
    """With as many decimals as the scale has."""
    return f"{value:.{scale.places(value)}f}"


def signed(value: float, scale: Scale) -> str:
    """The same for a difference, always with its sign."""
    return f"{value:+.{scale.places(value)}f}"
