"""How it is tuned, and what it is held against: the groups `tuning` and `baseline`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runner.config.base import Group


class Tuning(Group):
    """The knobs of Gemini supervised fine-tuning; the local backend has the same ones."""

    epochs: int = Field(default=3, ge=1, le=100)
    """Passes over the training rows; one checkpoint each."""
    learning_rate_multiplier: float = Field(default=1.0, gt=0)
    """Times the model's recommended learning rate."""
    adapter_size: Literal[1, 2, 4, 8, 16, 32] = 8
    """LoRA rank."""


class Baseline(Group):
    """The untuned model, measured before any tuning: the bar every tuned arm has to clear."""

    zero_shot: bool = True
    few_shot: list[Annotated[int, Field(ge=1, le=64)]] = [3]
    """One baseline arm for each number of worked examples, drawn from train (seeded)."""
    skip_reason: str | None = None
    """Why this experiment needs no baseline; required to switch both off."""

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if not (self.zero_shot or self.few_shot or self.skip_reason):
            raise ValueError(
                "zero_shot is false and few_shot is empty: say why in baseline.skip_reason"
            )
        return self


# --- suite ----------------------------------------------------------------------------------
