"""How it is tuned, and what it is held against: the groups `tuning` and `baseline`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runner.config.base import Group


class TunedModel(Group):
    """A tuned model on Vertex AI, or one checkpoint of it."""

    model: str
    """``projects/P/locations/L/models/ID`` or ``...@VERSION``."""
    checkpoint: str | None = None
    """Checkpoint id; null is the model's default checkpoint."""


class Tuning(Group):
    """The knobs of Gemini supervised fine-tuning; the local backend has the same ones."""

    method: Literal["supervised", "preference"] = "supervised"
    """`preference` (DPO) wants rows with a better and a worse answer."""
    epochs: int | None = Field(default=3, ge=1, le=100)
    """Passes over the training rows; one checkpoint each. Null leaves it to Vertex AI."""
    max_epochs: int = Field(default=20, ge=1, le=100)
    """A job that the service resolves to more epochs than this is cancelled: its own default
    has been 40 for a small dataset."""
    learning_rate_multiplier: float | None = Field(default=1.0, gt=0)
    """Times the model's recommended learning rate. Null leaves it to Vertex AI."""
    adapter_size: Literal[1, 2, 4, 8, 16, 32] | None = 8
    """LoRA rank. Null leaves it to Vertex AI."""
    beta: float | None = Field(default=None, gt=0)
    """Preference tuning only: how strongly it holds on to the model it starts from."""
    start_from: TunedModel | None = None
    """Go on from a tuned model instead of the base model."""

    @property
    def most_epochs(self) -> int:
        """Epochs that may have to be paid for."""
        return self.epochs or self.max_epochs


class Baseline(Group):
    """The untuned model, measured before any tuning: the bar every tuned arm has to clear."""

    zero_shot: bool = True
    few_shot: list[Annotated[int, Field(ge=1, le=64)]] = [3]
    """One baseline arm for each number of worked examples, drawn from train (seeded)."""
    default_thinking: bool = True
    """Measure a Gemini model that thinks zero-shot a second time, thinking as it does by default;
    everything else is asked as `backend.thinking` says."""
    chosen_on: Literal["validation", "test"] = "validation"
    """The split that chooses the strongest of several untuned arms, which tuned ones are held
    against. ``validation``: each of them answers that split as well, and the gain is unbiased.
    ``test``: nothing more is asked, the gain is if anything too small, and a loss has to be
    clearer. Without validation rows it is ``test``; of a single untuned arm nothing is chosen."""
    skip_reason: str | None = None
    """Why this experiment needs no baseline; required to switch both off."""

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if not (self.zero_shot or self.few_shot or self.skip_reason):
            raise ValueError(
                "zero_shot is false and few_shot is empty: say why in baseline.skip_reason"
            )
        return self
