"""The whole: one fully composed experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from runner.config.advice import Advice
from runner.config.backend import Backend
from runner.config.base import Group
from runner.config.compatibility import encoder_misfits, misfits, seal_misfits, today
from runner.config.diagnosis import Diagnosis
from runner.config.guard import Guard, NoGuard
from runner.config.model import Model
from runner.config.prepare import Prepare
from runner.config.skew import NoSkew, Skew
from runner.config.source import Source
from runner.config.suite import Suite
from runner.config.template import Template
from runner.config.tracking import PathsGroup, StoreSettings, Tracking
from runner.config.tuning import Baseline, TuningSettings


class SweepSettings(Group):
    """Which keys vary. Every combination of `grid` is one arm."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """Key to list of values, e.g. ``tuning.epochs: [1, 3]`` or a group: ``template: [a, b]``."""


class Replicates(Group):
    """How many runs each recipe gets: the same settings, with a draw of rows (where rows are
    drawn), an order and an initialisation of its own. ``replicates: 3`` is short for the count."""

    count: int = Field(default=1, ge=1, le=50)
    """Runs of one recipe. From 2 on, recipes are compared by what they give on average."""
    of: Literal["all", "contenders"] = "all"
    """``contenders``: one run of every recipe first, the others only of those that may still win
    by their validation rows."""

    @model_validator(mode="before")
    @classmethod
    def _count_alone(cls, raw: Any) -> Any:
        if isinstance(raw, int) and not isinstance(raw, bool):
            return {"count": raw}
        if not isinstance(raw, dict | Replicates):
            raise ValueError("has to be a number of runs, or {count: 3, of: contenders}")
        return raw


class Planning(Group):
    """What `sft plan` takes rows and runs to vary by, where the home has no earlier replicates of
    the same model and suite to go by. In shares of the primary score's scale."""

    run_deviation: float = Field(default=0.02, gt=0, lt=1)
    """Standard deviation between runs of one recipe, beyond what their rows explain."""
    row_variance: float = Field(default=0.25, gt=0, le=4)
    """Variance of one row's difference between two runs; of 0/1 scores the share of rows on which
    two runs differ."""
    large: float = Field(default=0.2, gt=0, lt=1)
    """A plan that could only find differences above this is warned of."""


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
    replicates: Replicates = Replicates()
    """Runs of each recipe; a number, or ``{count: 3, of: contenders}``."""
    source: Source
    prepare: Prepare
    template: Template
    model: Model
    backend: Backend
    tuning: TuningSettings
    advice: Advice = Advice()
    baseline: Baseline
    suite: Suite
    tracking: Tracking
    store: StoreSettings
    paths: PathsGroup
    budget: Budget = Budget()
    planning: Planning = Planning()
    skew: Skew = NoSkew(kind="none")
    guard: Guard = NoGuard(kind="none")
    diagnosis: Diagnosis = Diagnosis()
    sweep: SweepSettings = SweepSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What single groups cannot see; `runner.compose` makes a problem of each misfit."""
        found = [
            *misfits(self.model, self.backend, self.tuning, today()),
            *encoder_misfits(self.prepare, self.backend),
            *seal_misfits(self.suite, self.source, self.prepare),
        ]
        if found:
            listed = "; ".join(f"{misfit.key} {misfit.message}" for misfit in found)
            raise PydanticCustomError("does_not_fit", "{listed}", {"listed": listed, "all": found})
        return self
