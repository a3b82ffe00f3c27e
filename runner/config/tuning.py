"""How it is tuned, and what it is held against: the groups `tuning` and `baseline`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from runner.config.base import Group


class TunedModel(Group):
    """A tuned model on Vertex AI, or one checkpoint of it."""

    model: str
    """``projects/P/locations/L/models/ID`` or ``...@VERSION``."""
    checkpoint: str | None = None
    """Checkpoint id; null is the model's default checkpoint."""


Knob = Literal["epochs", "learning_rate_multiplier", "adapter_size"]
"""What advice has a value for."""
KNOBS: tuple[Knob, ...] = get_args(Knob)

RECOMMENDED = "recommended"
Recommended = Literal["recommended"]
"""The value that the rules of `advice` have for the data and the model."""


def _number(sort: str) -> BeforeValidator:
    """Of all words only one stands for a number; Pydantic would not say which."""

    def known(value: Any) -> Any:
        if isinstance(value, str) and value != RECOMMENDED and not re.search(r"\d", value):
            raise ValueError(f"'{value}' is not {sort}, null or {RECOMMENDED}")
        return value

    return BeforeValidator(known)


class TuningSettings(Group):
    """The knobs of Gemini supervised fine-tuning; the local backend has the same ones. Those that
    are `recommended` get their numbers once the data is known, and are then as if typed."""

    method: Literal["supervised", "preference"] = "supervised"
    """`preference` (DPO) wants rows with a better and a worse answer."""
    epochs: Annotated[
        Annotated[int, Field(ge=1, le=100)] | Recommended | None, _number("a whole number")
    ] = 3
    """Passes over the training rows; one checkpoint each. Null leaves it to Vertex AI, recommended
    to the rules of `advice`, though never above `max_epochs`."""
    max_epochs: int = Field(default=20, ge=1, le=100)
    """A job that the service resolves to more epochs than this is cancelled: its own default
    has been 40 for a small dataset."""
    learning_rate_multiplier: Annotated[
        Annotated[float, Field(gt=0)] | Recommended | None, _number("a number")
    ] = 1.0
    """Times the model's recommended learning rate. Null leaves it to Vertex AI, recommended to the
    rules of `advice`."""
    adapter_size: Literal[1, 2, 4, 8, 16, 32, "recommended"] | None = 8
    """LoRA rank. Null leaves it to Vertex AI, recommended to the rules of `advice`."""
    beta: float | None = Field(default=None, gt=0)
    """Preference tuning only: how strongly it holds on to the model it starts from."""
    start_from: TunedModel | None = None
    """Go on from a tuned model instead of the base model."""

    @property
    def asked(self) -> tuple[Knob, ...]:
        """The knobs that are still to be recommended."""
        return tuple(knob for knob in KNOBS if getattr(self, knob) == RECOMMENDED)

    @property
    def fewest_epochs(self) -> int:
        """Epochs that are paid for whatever the service chooses."""
        return self.epochs if isinstance(self.epochs, int) else 1

    @property
    def most_epochs(self) -> int:
        """Epochs that may have to be paid for."""
        return self.epochs if isinstance(self.epochs, int) else self.max_epochs

    def settled(self) -> Tuning:
        """The same for a job: every knob has its number, or is left to the service."""
        return Tuning.model_validate(self.model_dump())


class Tuning(TuningSettings):
    """What a tuning job is given."""

    epochs: int | None = Field(default=3, ge=1, le=100)
    learning_rate_multiplier: float | None = Field(default=1.0, gt=0)
    adapter_size: Literal[1, 2, 4, 8, 16, 32] | None = 8


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
