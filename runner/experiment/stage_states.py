"""Stage by stage, what of an arm is there already and what is still to be made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.experiment.answer_sets import foreseen
from runner.experiment.stage import ArmRun, Stage
from runner.experiment.stages import Stages, in_order

State = Literal["done", "reused", "new"]
"""In the store; made by an arm before this one; still to be made."""


@dataclass
class StageStates:
    """Of the arms of one experiment, in the order in which they run."""

    stages: Stages
    coming: set[str] = field(default_factory=set)
    """Digests of what an arm before will make."""

    def of(self, run: ArmRun) -> dict[str, str]:
        """State by stage; ``1 of 3 done`` where an arm has several of one and they differ."""
        found: dict[str, Counter[State]] = {}
        for stage in in_order(run, self.stages, foreseen):
            found.setdefault(stage.name, Counter())[self._state(run, stage)] += 1
        return {name: _words(states) for name, states in found.items()}

    def _state(self, run: ArmRun, stage: Stage[Any]) -> State:
        if run.find(stage):
            return "done"
        if not all(run.find(need) for need in stage.needs(run)):
            return "new"  # what it is made of is not known yet, and so it has no name
        digest = run.digest(stage)
        if digest in self.coming:
            return "reused"
        self.coming.add(digest)
        return "new"


def _words(states: Counter[State]) -> str:
    if len(states) == 1:
        return next(iter(states))
    return f"{states['done']} of {states.total()} done"
