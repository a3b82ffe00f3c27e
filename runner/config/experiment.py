"""The whole: one fully composed experiment."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from runner.config.backend import Backend
from runner.config.base import Group
from runner.config.compatibility import encoder_misfits, misfits, today
from runner.config.model import Model
from runner.config.prepare import Prepare
from runner.config.skew import NoSkew, Skew
from runner.config.source import Source
from runner.config.suite import Suite
from runner.config.template import Template
from runner.config.tracking import PathsGroup, StoreSettings, Tracking
from runner.config.tuning import Baseline, Tuning


class SweepSettings(Group):
    """Which keys vary. Every combination of `grid` is one arm."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """Key to list of values, e.g. ``tuning.epochs: [1, 3]`` or a group: ``template: [a, b]``."""


class Budget(Group):
    """What may be spent, in US dollars; null is no limit. Refused before a job is submitted
    (exit 4), and held while answers are asked for."""

    arm: float | None = Field(default=None, gt=0)
    experiment: float | None = Field(default=None, gt=0)
    month: float | None = Field(default=None, gt=0)
    """Of all experiments of this `paths.home` in the calendar month (UTC)."""


class Experiment(Group):
    """One fully composed point: what `conf/` and the experiment's YAML come to."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
    """Letters, digits, blanks, dots, dashes and underscores, up to 100 of them; the name of the
    experiment's file unless it says another one."""
    question: str = ""
    """What the experiment is to find out, one sentence, shown at the top of the report."""
    seed: int = Field(default=17, ge=0)
    source: Source
    prepare: Prepare
    template: Template
    model: Model
    backend: Backend
    tuning: Tuning
    baseline: Baseline
    suite: Suite
    tracking: Tracking
    store: StoreSettings
    paths: PathsGroup
    budget: Budget = Budget()
    skew: Skew = NoSkew(kind="none")
    sweep: SweepSettings = SweepSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What single groups cannot see; `runner.compose` makes a problem of each misfit."""
        found = [
            *misfits(self.model, self.backend, self.tuning, today()),
            *encoder_misfits(self.prepare, self.backend),
        ]
        if found:
            listed = "; ".join(f"{misfit.key} {misfit.message}" for misfit in found)
            raise PydanticCustomError("does_not_fit", "{listed}", {"listed": listed, "all": found})
        return self
