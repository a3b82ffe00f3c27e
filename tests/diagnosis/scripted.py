"""Curves of Vertex AI's form with a known illness, made from formulas and seeded noise.

Total loss and share of correct next steps by step, training every `every` steps, validation every
few points, no metric: what a service shows. Shapes after what is known of real tunings: power laws
and exponentials that level off, noise that shrinks with the loss.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from runner.diagnosis.series import series
from runner.diagnosis.tuned import Tuned

Shape = Callable[[float], float]
"""Share of the training that is done, 0 to 1, to a loss."""


@dataclass(frozen=True)
class Script:
    """One curve in the making."""

    train: Shape
    validation: Shape | None
    expected: tuple[str, ...]
    noise: float = 0.06
    steps: int = 300
    epochs: int = 5
    checks: int = 15
    at_start: bool = False
    spikes: float = 0.0
    """Share of the training points that are thrown up."""
    multiplier: float | None = None
    undefined_from: float = math.inf
    restarts: bool = False
    extra: dict[str, object] = field(default_factory=dict)


def exponential(first: float, end: float, rate: float) -> Shape:
    return lambda t: end + (first - end) * math.exp(-rate * t)


def power(first: float, end: float, rate: float = 40.0, exponent: float = 0.7) -> Shape:
    return lambda t: end + (first - end) * (1 + rate * t) ** -exponent


def turning(first: float, low: float, at: float, slope: float) -> Shape:
    """Falls to `low` at about `at` and rises by `slope` over the whole way."""
    return lambda t: low + (first - low) * math.exp(-4 * t / at) + slope * max(0.0, t - at)


def tuned_by(script: Script, seed: int) -> Tuned:
    """The curves of a script with the noise of one seed."""
    draw = random.Random(seed)
    every = max(1, script.steps // 120)
    points = list(
        _points(script, script.train, range(1, script.steps + 1, every), draw, script.noise)
    )
    checked: list[tuple[float, float, int]] = []
    if script.validation:
        gap = script.steps / script.checks
        at = [
            round(gap * number) for number in range(0 if script.at_start else 1, script.checks + 1)
        ]
        checked = list(_points(script, script.validation, at, draw, 0.008))
    if script.restarts:
        again = points[len(points) // 3 : len(points) // 2]
        points = [
            *points[: len(points) // 2],
            *((s, v * 1.01, t + 10_000_000) for s, v, t in again),
            *((s, v, t + 10_000_000) for s, v, t in points[len(points) // 2 :]),
        ]
    return Tuned(
        train=series(points),
        validation=series(checked),
        train_hits=series((s, max(0.0, 1 - v / 5), t) for s, v, t in points),
        validation_hits=series((s, max(0.0, 1 - v / 5), t) for s, v, t in checked),
        steps_an_epoch=script.steps / script.epochs,
        multiplier=script.multiplier,
        epochs=script.epochs,
    )


def _points(
    script: Script, shape: Shape, steps: object, draw: random.Random, noise: float
) -> Iterator[tuple[float, float, int]]:
    for step in steps:  # type: ignore[attr-defined]
        done = step / script.steps
        value = shape(done) * math.exp(draw.gauss(0, noise))
        if draw.random() < script.spikes and noise > 0.01:
            value += draw.uniform(0.6, 2.0) * shape(0.0)
        yield step, math.nan if done >= script.undefined_from else value, 1_000 * step


def scripts(draw: random.Random) -> list[Script]:
    """One of each kind, with first losses, ends, lengths and noise drawn."""
    first, end = draw.uniform(1.2, 3.5), draw.uniform(0.15, 0.5)
    low = first * end
    steps = draw.choice([60, 120, 300, 900])
    common = {
        "noise": draw.choice([0.02, 0.05, 0.1]),
        "steps": steps,
        "epochs": draw.choice([3, 5, 10]),
        "checks": draw.choice([6, 10, 20, 40]),
        "at_start": draw.random() < 0.3,
    }
    gap = draw.uniform(1.0, 1.25)
    healthy = exponential(first, low, draw.uniform(4, 12))
    law = power(first, low, draw.uniform(30, max(31, min(150, steps / 8))))
    over = draw.uniform(0.25, 0.6)

    def make(train: Shape, validation: Shape | None, *expected: str, **changed: object) -> Script:
        return Script(train, validation, expected, **{**common, **changed})  # type: ignore[arg-type]

    def behind(shape: Shape) -> Shape:
        return lambda t: low * (gap - 1) + shape(t)

    late = exponential(first, 0.3 * low, draw.uniform(0.8, 1.8))
    flat = draw.uniform(0.95, 1.0)
    return [
        make(healthy, behind(healthy)),
        make(law, behind(law)),
        make(healthy, None),
        make(healthy, behind(healthy), epochs=40),
        make(healthy, behind(healthy), checks=3, restarts=True),
        make(late, behind(late), "suboptimal"),
        make(
            exponential(first, 0.1 * low, 5),
            turning(first, low, over, first * draw.uniform(0.15, 0.6)),
            "overfitting",
        ),
        make(lambda t: first * 5.5 * healthy(t) / first, lambda t: 5.5 * healthy(t), "data_issue")
        if first > 2
        else make(lambda t: 11 / first * healthy(t), None, "data_issue"),
        make(
            lambda t: healthy(t) if t < 0.4 else healthy(0.4) + (t - 0.4) * 3 * first,
            None,
            "divergence",
            "learning_rate_high",
        ),
        make(healthy, behind(healthy), "divergence", undefined_from=draw.uniform(0.3, 0.9)),
        make(healthy, behind(healthy), "learning_rate_high", spikes=0.12, noise=0.1),
        make(
            lambda t: healthy(t) + 1.2 * first * math.exp(-(((t - 0.12) / 0.08) ** 2)),
            None,
            "learning_rate_high",
        ),
        make(
            lambda t: first * (1 - 0.07 * t),
            lambda t: first * (1 - 0.06 * t),
            "learning_rate_low",
            noise=0.01,
        ),
        make(
            lambda t: first * (flat + (1 - flat) * math.exp(-40 * t)),
            lambda t: first * (flat + (1 - flat) * math.exp(-40 * t)),
            "plateau",
        ),
        make(
            lambda t: first * math.exp(-3 * t * common["epochs"]) + 0.02,  # type: ignore[operator]
            lambda t: max(0.7 * first, first * math.exp(-3 * t * common["epochs"])) * (1 + 0.2 * t),  # type: ignore[operator]
            "memorised_duplicates",
            checks=20,
            at_start=True,
            steps=300,
        ),
        make(
            healthy,
            lambda t: 2.5 * first * (1 - 0.05 * t),
            "validation_unlike_training",
            at_start=True,
        ),
    ]
