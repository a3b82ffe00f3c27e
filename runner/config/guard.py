"""What tuning may not cost, beside the task: the group `guard`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from runner.config.base import Group
from runner.config.suite import Suite


class NoGuard(Group):
    """Nothing but the task is looked at."""

    kind: Literal["none"]


class RowsGuard(Group):
    """Rows that the untuned model and every arm's chosen checkpoint answer, as they stand: an arm
    must not be worse there by `margin` or more."""

    kind: Literal["rows"]
    rows: str | None = None
    """JSONL with ``prompt`` and ``conditions`` (see the metric ``constraints``), and perhaps
    ``kind`` and ``id``; null: the shipped ones."""
    suite: Suite
    """How their answers are generated and scored."""
    margin: float = Field(default=0.05, gt=0)
    """The loss against the untuned model that would be too much, in the unit of the suite's primary
    score."""
    required: bool = False
    """Whether an arm that is not shown to keep within the margin cannot win (`sft run` then exits
    with 4)."""

    @model_validator(mode="after")
    def _by_conditions(self) -> Self:
        if self.suite.primary != "constraints":
            message = "has to pick by `constraints`, since its rows are conditions"
            raise PydanticCustomError("guard_suite", message)
        return self


Guard = Annotated[NoGuard | RowsGuard, Field(discriminator="kind")]
