"""Whether production prompts look like the tuning prompts: the group `skew`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runner.config.base import Group, Share


class NoSkew(Group):
    """Nothing is compared; there is no production yet."""

    kind: Literal["none"]


class SkewLimits(Group):
    """What is compared, and what is refused. Every finding warns; only a `max_` refuses."""

    split: Literal["train", "validation", "test"] = "train"
    """The rendered prompts to compare with."""
    sample: int = Field(default=1000, ge=20)
    """Seeded draw of at most this many prompts a side; 100 show gross shifts, 300 moderate
    ones, 1,000 a changed mix of topics."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Chance of any false finding (Holm over all tests)."""
    permutations: int = Field(default=999, ge=99, le=9999)
    """Reshuffles of the two sides behind each p-value that has no exact formula."""
    max_findings: int | None = Field(default=None, ge=0)
    """Refuse (exit 4) above this many findings; null only warns."""
    max_auc: float | None = Field(default=None, ge=0.5, le=1)
    """Refuse when a classifier tells the sides apart better than this and it is no accident.
    0.5 is guessing; below 0.60 is fine, above 0.75 is another population."""
    max_changed: Share | None = None
    """Refuse when more than this share of the matched prompts differ in their bytes."""


class FileSkew(SkewLimits):
    """A sample of production prompts in a JSONL file."""

    kind: Literal["file"]
    production: str
    """JSONL; a row has `text`, `contents` (Gemini's form, also inside `request`) or `messages`,
    and may have `system` or `systemInstruction`, `id` and `label`."""


class TracesSkew(SkewLimits):
    """The traces of a served model, in MLflow."""

    kind: Literal["traces"]
    tracking_uri: str | None = None
    """MLflow's tracking URI; null takes MLFLOW_TRACKING_URI or MLflow's own default."""
    experiment: str
    """Name of the MLflow experiment that holds the traces."""
    filter: str = ""
    """MLflow's filter for traces, e.g. ``attributes.status = 'OK'``."""


Skew = Annotated[NoSkew | FileSkew | TracesSkew, Field(discriminator="kind")]
