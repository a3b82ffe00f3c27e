"""Whose answers to which rows: what an arm is measured by."""

from __future__ import annotations

from dataclasses import dataclass

from runner.money import Band
from runner.records import Checkpoint

ONCE = Band(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CheckpointsToCome:
    """Checkpoints of a job that has not ended: so many will answer, and they all cost the same."""

    count: Band


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """The answers to all examples of a split."""

    split: str
    by: Checkpoint | CheckpointsToCome | None = None
    """Who answers; None for the untuned model."""
    shots: int = 0
    """Worked examples in front of each prompt."""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that answers; None for the untuned model. Those to come can be asked
        nothing, so this raises for them."""
        if isinstance(self.by, CheckpointsToCome):
            raise ValueError("a checkpoint that is still to come cannot be asked")
        return self.by

    @property
    def tuned(self) -> bool:
        return self.by is not None

    @property
    def times(self) -> Band:
        """How often the split is answered: once, but for checkpoints to come."""
        return self.by.count if isinstance(self.by, CheckpointsToCome) else ONCE

    @property
    def what(self) -> str:
        """What a bill calls it: ``test``, ``validation`` or ``baseline test``."""
        return self.split if self.tuned else f"baseline {self.split}"
