"""Whether the learning rate was wrong: divergence, too high, too low."""

from __future__ import annotations

from statistics import median

from runner.config.diagnosis import Divergence, LearningRateHigh, LearningRateLow
from runner.diagnosis.outcome import Clear, Outcome, Unseen, percent, sure
from runner.diagnosis.series import Series, falling
from runner.diagnosis.tuned import TRAIN_LOSS, Tuned
from runner.records.findings import Finding, Mark

FEWEST = 4
"""Training points below which nothing is said about the course of the training."""
MANY = 40
"""Training points from which on their noise is known."""
NO_NUMBER = "loss became nan"
"""In the error of an arm whose training was stopped for it."""
MEDIAN_OF_3 = 0.67
"""Standard deviation of the median of three values, in that of one (normal noise)."""
FEW_POINTS = "only {} training points"


def divergence(tuned: Tuned, limits: Divergence) -> Outcome:
    """No number, or an end far above the lowest loss, in the training loss itself: what happens to
    validation loss alone is overfitting."""
    train = tuned.train
    undefined = [*train.undefined, *tuned.validation.undefined]
    if undefined or NO_NUMBER in tuned.error:
        at = f"the loss is not a number from {tuned.place(min(undefined, default=0))} on"
        return _diverged(tuned, at if undefined else tuned.error.splitlines()[0], 0.99, [])
    if len(train) < FEWEST:
        return Unseen(FEW_POINTS.format(len(train)))
    smooth = train.smooth(5 if len(train) >= 20 else 3)
    low = min(smooth.values)
    end, start = train.level(0.85, 1.0), tuned.start
    noise = train.noise() or 0.0
    lost = (end - low) / (start - low) if start > low else 1.0
    if end < limits.times * low or end - low < 4 * noise or lost < limits.lost:
        return Clear()
    step = smooth.steps[smooth.values.index(low)]
    evidence = (
        f"training loss had come down to {low:.3g} at {tuned.place(step)} and ends at {end:.3g}; "
        f"it began at {start:.3g}"
    )
    marks = [
        Mark(curve=TRAIN_LOSS, step=step, value=low, label="lowest"),
        Mark(curve=TRAIN_LOSS, step=train.end, value=end, label="end"),
    ]
    confidence = sure((end > start, 0.6), (end > 3 * low, 0.4), (len(train) > 15, 0.4))
    numbers = {"lowest": low, "end": end, "start": start}
    return _diverged(tuned, evidence, confidence, marks, numbers)


def _diverged(
    tuned: Tuned,
    evidence: str,
    confidence: float,
    marks: list[Mark],
    numbers: dict[str, float] | None = None,
) -> Finding:
    return Finding(
        id="divergence",
        severity="severe",
        confidence=confidence,
        title="The training diverged",
        evidence=evidence,
        cause="the learning rate is too high for this model and these rows",
        advice="Tune again with a third of the learning rate.",
        override=tuned.times_rate(1 / 3),
        numbers=numbers or {},
        marks=marks,
    )


def learning_rate_high(tuned: Tuned, limits: LearningRateHigh) -> Outcome:
    """A loss that rises before it falls, or jumps again and again."""
    train = tuned.train
    if len(train) < 2 * FEWEST:
        return Unseen(FEW_POINTS.format(len(train)))
    start = tuned.start
    noise = train.noise_share() * start
    smooth = train.smooth(3)
    top = max(smooth.values[1:])
    bump = (top - start) / start
    spikes = _spikes(train, max(limits.spike * start, limits.noise * noise))
    # In a short curve noise and jumps are one and the same: there the height alone counts.
    bumped = (bump >= limits.bump_any and len(train) < MANY) or (
        bump >= limits.bump and top - start >= limits.noise * MEDIAN_OF_3 * noise
    )
    spiky = len(spikes) > max(1, limits.spikes * len(train))
    late = Series(train.steps[len(train) // 2 :], train.values[len(train) // 2 :])
    # A loss that has come down has noise of its own, which says nothing about the rate.
    jitter = (late.noise() or 0.0) / start if median(late.values) > start / 2 else 0.0
    swings = _swings(smooth, max(limits.spike * start, limits.noise * MEDIAN_OF_3 * noise))
    if not (bumped or spiky or jitter > limits.jitter or swings > 1):
        return Clear()
    said, marks = [], []
    if jitter > limits.jitter:
        said.append(f"in its second half training loss jumps by {percent(jitter)} of the first one")
    if bumped:
        step = smooth.steps[smooth.values.index(top)]
        said.append(
            f"training loss climbs from {start:.3g} to {top:.3g} (+{percent(bump)}) at "
            f"{tuned.place(step)}"
        )
        marks.append(Mark(curve=TRAIN_LOSS, step=step, value=top, label="highest"))
    if spiky:
        said.append(
            f"{len(spikes)} of {len(train)} training points stand out by more than "
            f"{percent(limits.spike)} of the first loss"
        )
        highest = max(spikes, key=lambda point: point[1])
        marks.append(Mark(curve=TRAIN_LOSS, step=highest[0], value=highest[1], label="spike"))
    if swings > 1:
        said.append(f"training loss climbs again {swings} times by {percent(limits.spike)} of it")
    fast = (tuned.multiplier or 1.0) > 2
    return Finding(
        id="learning_rate_high",
        severity="severe" if bump > 3 * limits.bump else "warning",
        confidence=sure(
            (bumped, 0.4),
            (spiky, 0.3),
            (jitter > limits.jitter, 0.3),
            (swings > 1, 0.3),
            (fast, 0.4),
            (bump > 0.5, 0.4),
        ),
        title="The learning rate is too high",
        evidence="; ".join(said) + _set_to(tuned),
        cause="steps that overshoot; with LoRA a good rate is sharp on the upper side",
        advice="Tune again with half of the learning rate.",
        override=tuned.times_rate(0.5),
        numbers={"start": start, "highest": top, "spikes": float(len(spikes))},
        marks=marks,
    )


def _spikes(train: Series, height: float) -> list[tuple[float, float]]:
    """Points above the median of the eight around them by more than `height`."""
    found = []
    for at in range(1, len(train)):
        around = train.values[max(0, at - 4) : at] + train.values[at + 1 : at + 5]
        if train.values[at] - median(around) > height:
            found.append((train.steps[at], train.values[at]))
    return found


def _swings(smooth: Series, height: float) -> int:
    """How often the curve climbs by `height` from a low point, having come down as much before."""
    count, low, high, down = 0, smooth.first, smooth.first, True
    for value in smooth.values:
        low, high = min(low, value), max(high, value)
        if down and value - low > height:
            count, down, high = count + 1, False, value
        elif not down and high - value > height:
            down, low = True, value
    return count


def learning_rate_low(tuned: Tuned, limits: LearningRateLow) -> Outcome:
    """A loss that goes down steadily, and hardly."""
    train = tuned.train
    if len(train) < FEWEST:
        return Unseen(FEW_POINTS.format(len(train)))
    first = max(train.first, tuned.early_train)  # it may fall fast from the first step on
    if first < limits.known:
        return Clear()
    fall = (first - train.level(0.85, 1.0)) / first
    checked = tuned.validation
    if len(checked) >= 2 and tuned.at_start:
        fall = max(fall, (checked.first - checked.last) / checked.first)
    if fall >= limits.fall:
        return Clear()
    slow = tuned.multiplier is not None and tuned.multiplier <= 0.2
    # After the first steps: a plateau also falls at first.
    steady = falling(checked.part(0.3, 1.0)) < -1.9 if len(checked) > 4 else False
    steady = steady or falling(train.part(0.3, 1.0)) < -2.6
    if not (slow or steady):
        return Clear()
    return Finding(
        id="learning_rate_low",
        severity="warning",
        confidence=sure((slow, 0.6), (steady, 0.4), (fall < limits.fall / 2, 0.3)),
        title="The learning rate is too low",
        evidence=(
            f"loss began at {first:.3g} and came down by {percent(max(fall, 0.0))} in "
            f"{train.end:g} steps, still falling at the end" + _set_to(tuned)
        ),
        cause="steps too small for the number of them",
        advice="Tune again with three times the learning rate (with ten times, if it was below "
        "a tenth of the recommended one).",
        override=tuned.times_rate(1 / tuned.multiplier if slow and tuned.multiplier else 3),
        numbers={"start": first, "fall": fall},
        marks=[Mark(curve=TRAIN_LOSS, step=train.end, value=train.last, label="end")],
    )


def _set_to(tuned: Tuned) -> str:
    return "" if tuned.multiplier is None else f" (learning rate multiplier {tuned.multiplier:g})"
