"""How the training ended: too early, too late, or without having learnt anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from runner.config.diagnosis import Overfitting, Plateau, Suboptimal
from runner.diagnosis.compared import error as standard_error
from runner.diagnosis.outcome import Clear, Outcome, Unseen, percent, sure
from runner.diagnosis.series import Series
from runner.diagnosis.tuned import TRAIN_LOSS, VALIDATION_LOSS, Scored, Tuned
from runner.records.findings import Finding, Mark, Severity

MANY = 40
"""Training points from which on quarters of them hold enough."""


def suboptimal(tuned: Tuned, limits: Suboptimal) -> Outcome:
    """Validation loss, or training loss where there is none, falls as much in the last quarter as
    one that has not levelled off; or the suite's metric is still rising. Either is enough: near the
    end a metric moves where the loss hardly does, as most tokens are right long before."""
    alone = len(tuned.validation) < 3
    curve, name = (tuned.train, TRAIN_LOSS) if alone else (tuned.validation, VALIDATION_LOSS)
    enough = len(curve) >= (8 if alone else 3)
    if not enough and len(tuned.scored) < 2:
        return Unseen("fewer than 3 validation points, and too few training points to go by")
    late = _late_fall(tuned, curve, alone, limits) if enough else None
    rising = _rising(tuned.scored, tuned, limits)
    nothing = _nothing_yet(tuned, limits)
    if late is None and rising is None and nothing is None:
        return Clear()
    said, marks, numbers = [], [], {}
    which = "training" if alone else "validation"
    if late is not None:
        said.append(
            f"{percent(late.share)} of the fall of {which} loss came in the {late.part} of "
            f"{curve.end:g} steps, down to {curve.last:.3g}"
        )
        numbers["late"] = late.share
        marks.append(Mark(curve=name, step=curve.end, value=curve.last, label="still falling"))
    if rising is not None:
        last = tuned.scored[-1]
        steps = ", ".join(f"{each.value:.3g}" for each in tuned.scored[-4:])
        said.append(f"{tuned.metric} on validation is still rising by checkpoint: {steps}")
        numbers["metric_gain"] = rising
        marks.append(Mark(curve=tuned.metric, step=last.step, value=last.value, label="rising"))
    if nothing is not None:
        said.append(
            f"training loss still fell by {percent(nothing)} of the first one in the second half, "
            f"and {tuned.metric} is no better than guessing or the untuned model"
        )
        numbers["second_half"] = nothing
    return Finding(
        id="suboptimal",
        severity="warning",
        confidence=sure(
            (late is not None and not alone, 0.4),
            (rising is not None, 0.5),
            (nothing is not None, 0.3),
            (late is not None and late.sure, 0.4),
        ),
        title="The training ended too early",
        evidence="; ".join(said),
        cause="too few passes, too small a learning rate, or too few or too uniform rows",
        advice="Train longer; where that does not help, raise the learning rate, then add rows.",
        override=f"tuning.epochs={min(100, 2 * _epochs(tuned))}",
        numbers=numbers,
        marks=marks,
    )


@dataclass(frozen=True, slots=True)
class LateFall:
    """Share of a curve's whole fall that came late, and how late."""

    share: float
    part: str
    sure: bool
    """Whether it is twice as much as it takes."""


def _late_fall(tuned: Tuned, curve: Series, alone: bool, limits: Suboptimal) -> LateFall | None:
    """None where it is no more than in a curve that has levelled off, or within the noise. Of few
    training points halves are compared, as quarters would hold two or three."""
    first = max(curve.first, tuned.early_train if len(tuned.train) else curve.first)
    noise, part, least = curve.noise() or 0.0, "last quarter", limits.last_quarter
    if alone and len(curve) < MANY:
        before, end = curve.level(0.4, 0.6), curve.level(0.85, 1.0)
        part, least = "second half", limits.half
        sure_from = 1.28 * _median_error(curve, 6)
    elif alone or len(curve) >= 12:
        before, end = curve.level(0.68, 0.82), curve.level(0.93, 1.0)
        least *= 1.3 if alone else 1.0
        sure_from = 3 * noise
    else:
        before, end = curve.at(0.75 * curve.end), curve.last
        sure_from = 3 * noise
    whole = first - end
    if whole <= 0 or before - end < max(sure_from, limits.least * end):
        return None
    share = (before - end) / whole
    return LateFall(share, part, share > 2 * least) if share > least else None


def _nothing_yet(tuned: Tuned, limits: Suboptimal) -> float | None:
    """Fall of the training loss over the second half, as a share of the first one, where it still
    falls and the metric is no better than before."""
    train, gain = tuned.train, tuned.gain
    if gain is None or gain > limits.unlearnt or len(train) < 8:
        return None
    late = (train.level(0.4, 0.6) - train.level(0.85, 1.0)) / tuned.early_train
    return late if late > limits.unlearnt else None


def _median_error(curve: Series, parts: int) -> float:
    """Standard error of the difference of two medians, of a `parts`-th of the points each: one of
    normal noise errs by 1.25 standard deviations over the root of its points."""
    noise = curve.noise_share() * median(curve.values)
    return noise * 1.25 * math.sqrt(2 / max(1, len(curve) // parts))


def _rising(scored: tuple[Scored, ...], tuned: Tuned, limits: Suboptimal) -> float | None:
    """Gain of the last checkpoint, the best of all, over the one before; None where it is noise. It
    is none where the step itself is beyond noise, or the whole rise is and much of it came last."""
    if len(scored) < 2:
        return None
    first, before, last = scored[0], scored[-2], scored[-1]
    gain = tuned.scale.gain(last.value - before.value)
    whole = tuned.scale.gain(last.value - first.value)
    best = all(not tuned.scale.better(each.value, last.value) for each in scored[:-1])
    step = gain > limits.metric_gain * math.hypot(last.error, before.error) > 0
    rise = whole > limits.metric_gain * math.hypot(last.error, first.error) > 0
    late = len(scored) > 2 and rise and gain > limits.metric_last * whole
    return gain if best and (step or late) else None


def _epochs(tuned: Tuned) -> int:
    return tuned.epochs or round(tuned.epoch_at(tuned.train.end) or 0) or 1


@dataclass(frozen=True, slots=True)
class Rise:
    """A minimum of validation loss and what came after it."""

    step: float
    low: float
    end: float
    points: int
    """After the minimum."""
    errors: float | None
    """Rise in standard deviations of the curve's noise; None where that is not known."""
    steady: bool
    """Whether every point after the minimum is above the one before."""

    @property
    def share(self) -> float:
        return (self.end - self.low) / self.low


def rise_of(curve: Series) -> Rise | None:
    """The rise after the minimum of a curve of at least three points; None at its end."""
    smooth = curve.smooth(3) if len(curve) >= 8 else curve
    at = smooth.values.index(min(smooth.values))
    points = len(curve) - 1 - at
    if not points:
        return None
    last = max(1, min(3, points // 2))
    end = median(curve.values[-last:])
    noise = curve.noise()
    errors = (end - smooth.values[at]) / (noise * math.sqrt(1 + 1 / last)) if noise else None
    after = curve.values[at:]
    steady = points > 1 and all(later > before for before, later in pairwise(after))
    return Rise(curve.steps[at], smooth.values[at], end, points, errors, steady)


def overfitting(tuned: Tuned, limits: Overfitting) -> Outcome:
    """Validation loss turns up while training loss goes on falling. Many epochs alone are nothing:
    what counts is the rise, and whether the suite's metric falls with it."""
    curve = tuned.validation
    if not len(curve):
        return Unseen("no validation loss was recorded; see source.validation")
    if len(curve) < 3:
        return Unseen(f"only {len(curve)} validation points: a turn needs three")
    rise = rise_of(curve)
    if rise is None or rise.low <= 0:
        return Clear()
    enough = limits.rise if rise.steady or rise.errors is not None else limits.rise_alone
    if rise.share < enough or (rise.errors is not None and rise.errors < limits.noise):
        return Clear()
    if curve.steps[0] == rise.step and tuned.at_start:
        return Clear("validation loss never fell")
    if not _train_fell(tuned, rise.step):
        return Clear("training loss does not fall either")
    return _overfitted(tuned, limits, rise)


def _train_fell(tuned: Tuned, step: float) -> bool:
    """Whether training loss fell from around `step` to the end; yes where it was not recorded."""
    train = tuned.train
    if len(train) < 3:
        return True
    at = min(0.9, step / train.end)
    return train.level(0.9, 1.0) < train.level(max(0.0, at - 0.1), at + 0.05) * 0.98


def _overfitted(tuned: Tuned, limits: Overfitting, rise: Rise) -> Finding:
    curve, train_end = tuned.validation, tuned.train.level(0.9, 1.0) if len(tuned.train) else 0.0
    harm, said = _metric_harm(tuned, rise)
    hits = _hits_lost(tuned, rise.step)
    low_epoch = tuned.epoch_at(rise.step)
    keep = max(1, round(low_epoch)) if low_epoch is not None else None
    evidence = (
        f"validation loss is lowest, {rise.low:.3g}, at {tuned.place(rise.step)} and rises by "
        f"{percent(rise.share)} to {rise.end:.3g} at the end, over {rise.points} "
        f"point{'s' * (rise.points > 1)}; training loss ends at {train_end:.3g}{said}"
    )
    if hits > 0:
        evidence += f"; correct next steps on validation fell by {percent(hits)}"
    severity: Severity = "severe" if rise.share >= limits.severe else "warning"
    return Finding(
        id="overfitting",
        severity="note" if harm is False else severity,
        confidence=sure(
            (rise.points > 1, 0.4),
            (rise.share > 2 * limits.rise_alone, 0.4),
            (rise.errors is not None and rise.errors > 2 * limits.noise, 0.4),
            (bool(harm), 0.4),
            (hits > 0.005, 0.2),
        ),
        title="The model overfits"
        if harm is not False
        else "Validation loss rises, but not in what is measured",
        evidence=evidence,
        cause="more passes or capacity than the rows have to teach; or too few, too uniform rows",
        advice="Stop where validation is lowest, or add rows that are different; a smaller adapter "
        "helps less."
        if harm is not False
        else "Go by the metric: the model is surer of its mistakes, and makes no more of them.",
        override=f"tuning.epochs={keep}" if keep and harm is not False else "",
        numbers={"lowest": rise.low, "end": rise.end, "rise": rise.share, "step": rise.step},
        marks=[
            Mark(curve=VALIDATION_LOSS, step=rise.step, value=rise.low, label="lowest"),
            Mark(curve=VALIDATION_LOSS, step=curve.end, value=rise.end, label="end"),
        ],
    )


def _metric_harm(tuned: Tuned, rise: Rise) -> tuple[bool | None, str]:
    """Whether the suite's metric is worse at the end than around the lowest loss (True), better or
    equal (False), or not known or within its error (None); and that in words."""
    near = [each for each in tuned.scored if each.step <= rise.step] or list(tuned.scored[:1])
    if not near or near[-1] is tuned.scored[-1]:
        return None, ""
    then, last = near[-1], tuned.scored[-1]
    gain = tuned.scale.gain(last.value - then.value)
    error = math.hypot(last.error, then.error)
    said = f"; {tuned.metric} goes from {then.value:.3g} to {last.value:.3g} meanwhile"
    if gain > max(1.64 * error, 0.0) and gain > 0:
        return False, said
    return (True if gain < -1.64 * error else None), said


def _hits_lost(tuned: Tuned, step: float) -> float:
    """How far validation's correct next steps fell from `step` to the end."""
    hits = tuned.validation_hits
    return hits.at(step) - hits.last if len(hits) else 0.0


def plateau(tuned: Tuned, limits: Plateau) -> Outcome:
    """The training loss is flat, and nothing says that the task was learnt. A loss that levelled
    off is healthy where the metric rose; shuffled labels teach the form of answers, so that the
    loss falls at first, and nothing else."""
    train = tuned.train
    if len(train) < 8:
        return Unseen(f"only {len(train)} training points")
    first, end = tuned.early_train, train.level(0.85, 1.0)
    late = (train.level(0.4, 0.6) - end) / first
    fall = (first - end) / first
    # Two medians differ by noise alone; few points prove nothing, so they get no such allowance.
    luck = 2 * _median_error(train, 6) / first if len(train) >= MANY else 0.0
    if late > limits.flat + min(luck, limits.flat):
        return Clear()
    gain = tuned.gain
    spread = standard_error(tuned.score) if tuned.score else math.nan
    error = spread if math.isfinite(spread) else 0.0
    hits = tuned.train_hits
    better = hits.level(0.85, 1.0) - median(hits.values[:3]) if len(hits) else None
    if gain is None:
        # A task of long answers may fall by little and be learnt: more next steps are right then.
        learnt = fall > limits.fall if better is None or better < limits.hits else fall > 0.1
        told = "and there is no score on test beside an untuned model's to tell more"
    else:
        learnt = gain > limits.gain + 1.64 * error / (tuned.scale.width or 1.0)
        told = f"and {tuned.metric} is {_over(gain)} what guessing or the best untuned model has"
    if learnt or _knew(tuned) or _seen_to_learn(tuned, limits):
        return Clear()
    stuck = f"; correct next steps stay at {hits.level(0.8, 1.0):.2f}" if len(hits) else ""
    return Finding(
        id="plateau",
        severity="severe",
        confidence=sure(
            (gain is not None, 0.4),
            (fall < limits.fall, 0.4),
            (error < 0.1 and gain is not None, 0.3),
        ),
        title="Nothing was learnt",
        evidence=(
            f"training loss went from {first:.3g} to {end:.3g} and fell by "
            f"{percent(max(late, 0.0))} of that in the second half{stuck}; {told}"
        ),
        cause="targets that do not follow from the inputs: shuffled or misaligned labels, a column "
        "that is not the answer, a prompt without what the answer rests on",
        advice="Read twenty training rows as rendered, input beside target, before tuning again.",
        override="",
        numbers={"start": first, "end": end, "late_fall": late},
        marks=[Mark(curve=TRAIN_LOSS, step=train.end, value=end, label="flat")],
    )


def _seen_to_learn(tuned: Tuned, limits: Plateau) -> bool:
    """Whether a checkpoint did better than guessing on validation, or the rows are known by heart:
    then something was learnt, and what is wrong is something else."""
    by_heart = tuned.train.level(0.85, 1.0) < limits.by_heart * tuned.early_train
    guess = tuned.guess if tuned.guess is not None else tuned.bar.value if tuned.bar else None
    if guess is None:
        return by_heart
    width = tuned.scale.width or 1.0
    better = (
        tuned.scale.gain(each.value - guess) > limits.gain * width + 1.64 * each.error
        for each in tuned.scored
    )
    return by_heart or any(better)


def _knew(tuned: Tuned) -> bool:
    """Whether the untuned model was near the best value already."""
    best = tuned.scale.best
    if tuned.bar is None or best is None or not tuned.scale.width:
        return False
    return abs(best - tuned.bar.value) < 0.1 * tuned.scale.width


def _over(gain: float) -> str:
    return f"{100 * abs(gain):.1f} % of its scale {'above' if gain > 0 else 'below'}"
