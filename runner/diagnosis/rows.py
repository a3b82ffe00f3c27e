"""What curves say about the rows: damaged, repeated, or unlike those of validation."""

from __future__ import annotations

import math

from runner.config.diagnosis import (
    DataIssue,
    MemorisedDuplicates,
    ValidationSmall,
    ValidationUnlikeTraining,
)
from runner.diagnosis.outcome import Clear, Outcome, Unseen, percent, sure
from runner.diagnosis.shape import rise_of
from runner.diagnosis.tuned import TRAIN_LOSS, VALIDATION_LOSS, Tuned, without_duplicates
from runner.records.findings import Finding, Mark

EARLY = 0.03
"""Share of the steps within which a validation point counts as measured before training."""
NO_TRAIN = "no training loss was recorded"


def data_issue(tuned: Tuned, limits: DataIssue) -> Outcome:
    """A first loss that no model has which can read the rows. Nats a token: a vocabulary of 50,000
    guessed at random gives 10.8, text in the wrong encoding 7, plain text 1 to 3."""
    train = tuned.train
    if not len(train):
        return Unseen(NO_TRAIN)
    if train.steps[0] > max(10.0, 0.05 * train.end):
        return Unseen(f"the first training point is at step {train.steps[0]:g}")
    if tuned.untrained:
        return Unseen("the base model begins with random weights, so its first loss is high")
    # One odd batch is no damage: a curve that is much lower two points later began there.
    first, starts = min(train.first, 1.5 * tuned.early_train), _starts(tuned)
    # Two batches of short answers differ by chance; of low losses by much.
    apart = starts is not None and _ratio(*starts) > limits.other_split
    apart = apart and starts is not None and abs(starts[0] - starts[1]) > 0.5
    if first <= limits.warning and not apart:
        return Clear()
    said = f"the first training loss is {first:.3g}"
    if first > limits.warning:
        bound = limits.severe if first > limits.severe else limits.warning
        said += f", above {bound:g}"
    if starts is not None:
        said += f"; validation begins at {starts[1]:.3g} and training near {starts[0]:.3g}"
    return Finding(
        id="data_issue",
        severity="severe" if first > limits.severe else "warning",
        confidence=sure((first > limits.severe, 0.8), (first > limits.warning, 0.5), (apart, 0.4)),
        title="The training rows look damaged",
        evidence=said,
        cause="rows that the model cannot read: a wrong encoding or template, cut inputs, targets "
        "that are no text",
        advice="Read the rows as rendered, the longest first, and check lengths, encoding and "
        "template.",
        override="",
        numbers={"train": first} | ({} if starts is None else {"validation": starts[1]}),
        marks=[Mark(curve=TRAIN_LOSS, step=train.steps[0], value=first, label="first")],
    )


def _starts(tuned: Tuned) -> tuple[float, float] | None:
    """Training and validation loss before training changed much; None where validation was not
    measured then. Batches are noisy and the loss falls fast: of the first training points, and the
    one that would come before them, the nearest one counts."""
    train, checked = tuned.train, tuned.validation
    if not len(checked) or not len(train):
        return None
    if checked.steps[0] > EARLY * max(checked.end, train.end):
        return None
    near = list(train.values[:3])
    if len(near) > 1 and 0 < near[1] < near[0]:
        near.append(near[0] * near[0] / near[1])
    return min(near, key=lambda value: abs(value - checked.first)), checked.first


def _ratio(one: float, other: float) -> float:
    """The larger over the smaller."""
    low, high = sorted((one, other))
    return high / low if low > 0 else math.inf


def memorised_duplicates(tuned: Tuned, limits: MemorisedDuplicates) -> Outcome:
    """In a first epoch every row is new, so that training loss is as honest as validation loss. Far
    below it by the end of that epoch, it comes of rows that were seen before: repeated ones. After
    the second epoch the same, where validation loss does not turn up: else that is overfitting."""
    train, checked = tuned.train, tuned.validation
    if not len(checked) or not len(train):
        return Unseen(NO_TRAIN if len(checked) else "no validation loss was recorded")
    epoch = tuned.steps_an_epoch
    if not epoch:
        return Unseen("steps an epoch are not known")
    if sum(step <= epoch for step in train.steps) < 8:
        return Unseen("fewer than 8 training points in the first epoch")
    start = _starts(tuned)
    if start is not None and start[1] > 1.5 * start[0]:
        return Clear("validation loss is far above training loss from the start")
    gaps = [found for number in (1, 2) if (found := _gap_after(tuned, number * epoch, epoch))]
    if not gaps:
        return Unseen("validation loss was not measured around the end of the first epochs")
    at, own, theirs = gaps[0]
    if theirs < limits.gap * own and len(gaps) > 1 and not _turns_up(tuned):
        at, own, theirs = gaps[1]
    least = limits.gap if at == gaps[0][0] else limits.gap_after_two
    if theirs < least * own or theirs - own < 0.1:
        return Clear()
    gap = theirs / own if own > 0 else math.inf
    return Finding(
        id="memorised_duplicates",
        severity="warning",
        confidence=sure((gap > 2 * least, 0.5), (start is not None, 0.4)),
        title="Repeated rows are learnt by heart",
        evidence=(
            f"as early as {tuned.place(at)} training loss is down to {own:.3g} "
            f"while validation loss is {theirs:.3g}, {gap:.3g} times as much"
        ),
        cause="training rows that stand in the data many times, word by word or nearly",
        advice="Remove duplicates, also near ones, and tune again.",
        override=without_duplicates(tuned.deduplicated),
        numbers={"train": own, "validation": theirs, "gap": gap},
        marks=[
            Mark(curve=TRAIN_LOSS, step=at, value=own, label="training"),
            Mark(curve=VALIDATION_LOSS, step=at, value=theirs, label="validation"),
        ],
    )


def _gap_after(tuned: Tuned, step: float, epoch: float) -> tuple[float, float, float] | None:
    """Step, training loss before it and validation loss at it, at the validation point nearest to
    the end of an epoch; None where there is none near."""
    near = [at for at in tuned.validation.steps if abs(at - step) <= 0.5 * epoch and at > 0]
    if not near or step > 1.01 * tuned.train.end:
        return None
    at = min(near, key=lambda each: abs(each - step))
    end = tuned.train.end
    own = tuned.train.level(max(0.0, at - 0.25 * epoch) / end, min(1.0, at / end))
    return at, own, tuned.validation.at(at)


def _turns_up(tuned: Tuned) -> bool:
    rise = rise_of(tuned.validation) if len(tuned.validation) > 2 else None
    return rise is not None and rise.share > 0.05


def validation_unlike_training(tuned: Tuned, limits: ValidationUnlikeTraining) -> Outcome:
    """Losses that are apart before training changed anything, or a validation loss that does not
    come down while training loss does."""
    train, checked = tuned.train, tuned.validation
    if len(checked) < 2:
        return Unseen("fewer than 2 validation points")
    if len(train) < 3:
        return Unseen(NO_TRAIN)
    first, early = _starts(tuned), tuned.early_train
    apart = first is not None and _ratio(*first) > limits.start
    apart = apart and first is not None and abs(first[0] - first[1]) > 0.3
    start = max(checked.first, early)
    fell = (early - train.level(0.85, 1.0)) / early if early > 0 else 0.0
    followed = (start - min(checked.values)) / start if start > 0 else 0.0
    alone = fell > 0.3 and followed < limits.follows * fell
    if not (apart or alone):
        return Clear()
    said = []
    if apart and first is not None:
        said.append(f"training loss begins at {first[0]:.3g} and validation loss at {first[1]:.3g}")
    if alone:
        said.append(
            f"training loss falls by {percent(fell)}, validation loss by no more than "
            f"{percent(max(followed, 0.0))}, from {start:.3g} to {min(checked.values):.3g}"
        )
    return Finding(
        id="validation_unlike_training",
        severity="warning",
        confidence=sure((apart, 0.4), (alone, 0.5), (apart and alone, 0.4)),
        title="Validation rows are unlike the training rows",
        evidence="; ".join(said),
        cause="another template, format, language or task on one side",
        advice="Compare rendered rows of both splits side by side; draw validation from the "
        "training rows, or mend the template of one side.",
        override="source.validation=null prepare/split=default",
        numbers={"train": early, "validation": start, "fell": fell, "followed": followed},
        marks=[
            Mark(curve=VALIDATION_LOSS, step=checked.steps[0], value=checked.first, label="first"),
            Mark(curve=TRAIN_LOSS, step=train.steps[0], value=early, label="first"),
        ],
    )


def validation_small(tuned: Tuned, limits: ValidationSmall) -> Outcome:
    """Too few validation rows to choose a checkpoint by."""
    rows = tuned.scored[-1].rows if tuned.scored else None
    tokens = tuned.validation_tokens
    if rows is None and tokens is None:
        return Unseen("no validation row was scored")
    few = rows < limits.rows if rows is not None else (tokens or 0) < limits.tokens
    if not few:
        return Clear()
    what = f"{rows} validation rows" if rows is not None else f"{tokens} validation tokens"
    error = tuned.scored[-1].error if tuned.scored else math.nan
    wide = f"; its standard error is {error:.2g}" if math.isfinite(error) else ""
    return Finding(
        id="validation_small",
        severity="warning",
        confidence=sure((rows is not None, 0.6), ((rows or limits.rows) < limits.rows / 2, 0.6)),
        title="The checkpoint was chosen on very few rows",
        evidence=f"{what} chose among {len(tuned.scored) or 'all'} checkpoints{wide}",
        cause="a validation split that is too small to tell checkpoints apart",
        advice="Give at least a hundred validation rows, or let them be split off training.",
        override="source.validation=null prepare/split=default",
        numbers={"rows": float(rows)} if rows is not None else {"tokens": float(tokens or 0)},
    )
