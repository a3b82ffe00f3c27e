"""What curves and results are searched for, and from where on it is a finding: the group
`diagnosis`. Every field but `refuse` has the name of a finding.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.config.base import Group, Share

FindingId = Literal[
    "suboptimal",
    "overfitting",
    "data_issue",
    "divergence",
    "learning_rate_high",
    "learning_rate_low",
    "plateau",
    "memorised_duplicates",
    "validation_unlike_training",
    "validation_small",
    "validation_unlike_test",
    "small_gain",
    "slice_lags",
    "one_class",
    "regressions",
    "length_drift",
    "answers_cut",
    "leak_suspicious",
    "rare_labels",
    "metrics_disagree",
    "prompts_differ",
    "cost_high",
    "base_knows",
]


class Check(Group):
    """One thing that is searched for."""

    look: bool = True
    """Whether it is searched for at all; what was not searched for is listed as such."""


class Suboptimal(Check):
    """The training ended before it was done: nothing had levelled off."""

    last_quarter: Share = 0.08
    """Share of the whole fall of the loss that comes in the last quarter of the steps."""
    least: Share = 0.035
    """Of the loss at the end, below which a fall in the last quarter is taken for noise."""
    half: Share = 0.3
    """Share of the fall that comes in the second half, where there are few training points only."""
    unlearnt: Share = 0.05
    """Where the metric is at most this share of its scale above guessing and the untuned model: the
    fall of training loss in the second half, as a share of the first one."""
    metric_gain: float = Field(default=1.64, gt=0)
    """Standard errors by which the suite's metric rises between the last two checkpoints, or from
    the first to the last."""
    metric_last: Share = 0.25
    """Share of the rise from the first to the last checkpoint that comes between the last two."""


class Overfitting(Check):
    """Validation loss has a minimum and rises after it, while training loss goes on falling."""

    rise: float = Field(default=0.05, gt=0)
    """Rise from the minimum to the end, as a share of the minimum, where it is steady or the noise
    of the curve is known."""
    rise_alone: float = Field(default=0.10, gt=0)
    """The same where it is neither: few points, or one only after the minimum."""
    noise: float = Field(default=3.0, gt=0)
    """Rise in standard deviations of the curve's own noise, where it has points enough to tell."""
    severe: float = Field(default=0.3, gt=0)
    """Rise from which it is severe."""


class DataIssue(Check):
    """The first loss is higher than that of a model that can read the rows."""

    severe: float = Field(default=10.0, gt=0)
    """First loss, in nats a token, above which rows are most likely damaged."""
    warning: float = Field(default=5.0, gt=0)
    other_split: float = Field(default=2.0, gt=1)
    """Times the other split's first loss."""


class Divergence(Check):
    """The training loss is no number, or it ends far above what it had reached."""

    lost: Share = 0.3
    """Share of the fall that is lost again at the end."""
    times: float = Field(default=1.3, gt=1)
    """Times the lowest loss that the last ones are, at least."""


class LearningRateHigh(Check):
    """The training loss jumps instead of falling."""

    bump: float = Field(default=0.15, gt=0)
    """Rise above the first loss during training, as a share of it."""
    bump_any: float = Field(default=0.6, gt=0)
    """The same where there are few training points, however noisy they are."""
    spike: float = Field(default=0.3, gt=0)
    """Height of a spike above its surroundings, as a share of the first loss."""
    spikes: Share = 0.03
    """Share of the training points that are spikes."""
    jitter: Share = 0.23
    """Standard deviation of the points in the second half, as a share of the first loss, where the
    loss has not come down by half."""
    noise: float = Field(default=6.0, gt=0)
    """Height of bump and spike in standard deviations of the curve's own noise."""


class LearningRateLow(Check):
    """The loss goes down, but hardly."""

    fall: Share = 0.2
    """Fall over the whole training, as a share of the first loss, below which it is hardly any."""
    known: float = Field(default=0.3, ge=0)
    """First loss, in nats a token, below which there is nothing much to learn."""


class Plateau(Check):
    """The loss has levelled off and the model has not learnt the task."""

    flat: Share = 0.05
    """Fall over the last half of the training, as a share of the first loss, below which the
    curve is flat."""
    fall: Share = 0.25
    """Fall over the whole training below which nothing was learnt, where no metric tells and no
    more next steps are right than at first."""
    hits: Share = 0.03
    """Rise of the share of correct next steps below which they are no more than at first."""
    gain: Share = 0.05
    """Gain of the metric over guessing and the untuned model, as a share of its scale, below which
    nothing was learnt."""
    by_heart: Share = 0.1
    """Share of the first loss below which the training rows are known by heart."""


class MemorisedDuplicates(Check):
    """Rows that repeat each other, or a training loss far below validation loss before any row
    should have been seen twice."""

    gap: float = Field(default=4.0, gt=1)
    """Times the training loss at the end of the first epoch that validation loss is."""
    gap_after_two: float = Field(default=3.0, gt=1)
    """The same at the end of the second, where validation loss does not turn up."""
    share: Share = 0.2
    """Share of the tuned rows that repeat another one word by word."""


class ValidationUnlikeTraining(Check):
    """Validation rows are another task, language or format than the training rows."""

    start: float = Field(default=1.3, gt=1)
    """Times the one first loss that the other is, before training has changed anything."""
    follows: Share = 0.2
    """Share of the training loss's relative fall that validation loss falls by, below which it
    does not follow."""


class ValidationSmall(Check):
    """The checkpoint was chosen on so few rows that the choice is mostly luck."""

    rows: int = Field(default=30, ge=1)
    tokens: int = Field(default=300, ge=1)
    """Predicted tokens of validation, where rows are not known."""


class ValidationUnlikeTest(Check):
    """The chosen checkpoint's score on validation is not its score on test."""

    errors: float = Field(default=2.58, gt=0)
    """Standard errors between both scores."""
    least: Share = 0.05
    """Difference, as a share of the metric's scale, that matters."""


class SmallGain(Check):
    """The tuned model is better than the bar, but by too little to matter."""

    gain: Share = 0.02
    """Gain as a share of the metric's scale below which it does not matter, where the suite has no
    `margin`."""


class SliceLags(Check):
    """A slice is worse than it was without tuning, or far behind the rest."""

    behind: Share = 0.2
    """Score below that of the other rows, as a share of the metric's scale."""
    rows: int = Field(default=10, ge=2)
    """Rows that a slice needs to be looked at."""
    errors: float = Field(default=2.58, gt=0)
    """Standard errors between slice and rest, or before and after."""


class OneClass(Check):
    """Nearly all answers are the same."""

    share: Share = 0.9
    """Share of the answered rows that have one and the same answer."""
    over: Share = 0.2
    """How much more of the answers than of the right answers that is."""


class Regressions(Check):
    """Rows that were right without tuning and are wrong with it."""

    share: Share = 0.1
    """Of the rows that were right."""
    rows: int = Field(default=5, ge=1)
    """At least so many of them."""


class LengthDrift(Check):
    """Answers are much longer or shorter than the targets, or of another form."""

    times: float = Field(default=1.5, gt=1)
    """Median answer length over median target length, or the other way round."""
    form: Share = 0.1
    """Share of the answers whose form (JSON or not, one line or several) is not the target's."""


class AnswersCut(Check):
    """Answers end at the token limit or go round in circles."""

    share: Share = 0.05


class LeakSuspicious(Check):
    """A score that is too good to be true."""

    near_perfect: Share = 0.98
    """Of the way from the metric's worst value to its best, where the task has more than labels."""
    test_over_validation: Share = 0.1
    """Test above validation, as a share of the scale."""
    errors: float = Field(default=2.58, gt=0)
    """The same in standard errors."""
    shared_rows: Share = 0.01
    """Share of the test rows whose input stands in the training rows word by word."""


class RareLabels(Check):
    """Labels with so few training rows that they are not learnt."""

    rows: int = Field(default=10, ge=1)
    """Training rows of a label below which it is rare."""
    labels: int = Field(default=50, ge=2)
    """Most distinct targets that are still labels."""


class MetricsDisagree(Check):
    """The primary score says better, and another one worse."""

    errors: float = Field(default=2.58, gt=0)
    """Standard errors by which the other one is worse."""


class CostHigh(Check):
    """What was paid is out of proportion to what was gained."""

    usd_a_point: float = Field(default=50.0, gt=0)
    """US dollars for each hundredth of the metric's scale gained over the bar."""


class BaseKnows(Check):
    """The untuned model does the task already."""

    score: Share = 0.95
    """Of the way from the metric's worst value to its best."""
    first_loss: float = Field(default=0.1, ge=0)
    """First training loss, in nats a token."""


class Diagnosis(Group):
    """What is searched for in curves and results. Shares lie between 0 and 1."""

    refuse: list[FindingId] = []
    """Findings that `sft run` refuses with exit code 4: in the arm that would be shipped, or in any
    arm where none wins. One that could not be looked for is refused as well."""
    suboptimal: Suboptimal = Suboptimal()
    overfitting: Overfitting = Overfitting()
    data_issue: DataIssue = DataIssue()
    divergence: Divergence = Divergence()
    learning_rate_high: LearningRateHigh = LearningRateHigh()
    learning_rate_low: LearningRateLow = LearningRateLow()
    plateau: Plateau = Plateau()
    memorised_duplicates: MemorisedDuplicates = MemorisedDuplicates()
    validation_unlike_training: ValidationUnlikeTraining = ValidationUnlikeTraining()
    validation_small: ValidationSmall = ValidationSmall()
    validation_unlike_test: ValidationUnlikeTest = ValidationUnlikeTest()
    small_gain: SmallGain = SmallGain()
    slice_lags: SliceLags = SliceLags()
    one_class: OneClass = OneClass()
    regressions: Regressions = Regressions()
    length_drift: LengthDrift = LengthDrift()
    answers_cut: AnswersCut = AnswersCut()
    leak_suspicious: LeakSuspicious = LeakSuspicious()
    rare_labels: RareLabels = RareLabels()
    metrics_disagree: MetricsDisagree = MetricsDisagree()
    prompts_differ: Check = Check()
    cost_high: CostHigh = CostHigh()
    base_knows: BaseKnows = BaseKnows()
