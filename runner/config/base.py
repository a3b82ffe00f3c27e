"""What every group shares: the strict base model and the types that stand in several groups."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Normalizer = Literal[
    "unicode",
    "case",
    "lower",
    "whitespace",
    "punctuation",
    "ascii_punctuation",
    "final_punctuation",
    "articles",
    "alphanumeric",
]
"""Steps of `runner.base.text.normalize`, applied in the order they are listed."""

Share = Annotated[float, Field(ge=0, le=1)]


class Group(BaseModel):
    """Base of every group: frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        defer_build=True,  # every model at its first use, most of them only inside Experiment
    )
