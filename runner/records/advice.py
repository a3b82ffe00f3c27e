"""What hyperparameters were recommended by, and to whom: of an arm, kept with its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DataProfile:
    """What an arm is tuned on, in a few numbers. Tokens are those of a training row, prompt and
    answer together: as counted, or the middle of an estimate."""

    rows: int
    """Training rows."""
    mean_tokens: float
    p95_tokens: float
    max_tokens: float
    least_mean: float
    """The mean by the lower end of the estimate; `mean_tokens` where tokens were counted."""
    most_mean: float
    modality: str
    """What most rows hold beside text; ``text`` where most hold nothing else."""
    media: Mapping[str, int] = field(default_factory=dict)
    """Kind of media to the rows that hold it."""
    task: str = ""
    """By what the suite measures, e.g. ``classification``."""
    method: str = "supervised"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The values of one rule, and why. None leaves a knob to the service."""

    rule: str
    """Its name in the configuration; of a converted one ``CONVERSION of RULE``."""
    epochs: int | None
    learning_rate_multiplier: float | None
    adapter_size: int | None
    most_epochs: int | None
    """Never more epochs than this; None without such a limit."""
    fires_for: str
    """Models and data that the rule is for, in words."""
    why: str
    source: str
    date: str
    """Of the source, ``2026-11-22``."""
    note: str = ""

    @property
    def values(self) -> dict[str, float | None]:
        """Knob, as the group `tuning` calls it, to value."""
        return {
            "epochs": self.epochs,
            "learning_rate_multiplier": self.learning_rate_multiplier,
            "adapter_size": self.adapter_size,
        }


@dataclass(frozen=True, slots=True)
class EarlierSetting:
    """The best setting of an earlier experiment on like data."""

    experiment: str
    ended: str
    """Day on which it ended."""
    model: str
    rows: int
    epochs: float | None
    """None where they were left to the service, as of the other knobs."""
    learning_rate_multiplier: float | None
    adapter_size: int | None
    metric: str
    score: float
    split: str
    """What the score was measured on: ``test``, or ``validation`` where there is no test score."""
    best_epoch: float | None
    """Epoch of the checkpoint that was chosen."""
    arms: int
    """Tuned arms it was the best of."""


@dataclass(frozen=True, slots=True)
class Advised:
    """Where an arm's recommended hyperparameters come from."""

    profile: DataProfile
    recommendation: Recommendation
    taken: Mapping[str, float | None]
    """The knobs that were left to advice, and what they came to."""
    capped: str = ""
    """Why an arm has fewer epochs than the rule; empty where it has not."""
    beside: tuple[Recommendation, ...] = ()
    """What other rules would have said."""
    earlier: tuple[EarlierSetting, ...] = ()
    """Best settings of earlier experiments on like data, most alike first."""
    looked_at: int = 0
    """Earlier experiments that were looked through."""
