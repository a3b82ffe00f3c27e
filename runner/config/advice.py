"""Which hyperparameters are recommended, for which data and model: the group `advice`.

Rules are data, each with its source and date. For one model and one set of rows one rule has to
fire, or none: where two do, nobody knows which was meant.
"""

from __future__ import annotations

import datetime
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from runner.config.base import Group

Modality = Literal["text", "image", "audio", "video", "document"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

Task = Literal["classification", "extraction", "answering", "number", "generation", "other"]
TASKS: tuple[Task, ...] = get_args(Task)


class Span(Group):
    """Numbers from `at_least` up to `below`, which is not in it, or `at_most`, which is."""

    at_least: float = Field(default=0, ge=0)
    below: float | None = Field(default=None, gt=0)
    at_most: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.below is not None and self.at_most is not None:
            raise ValueError("ends twice, with below and with at_most: leave one of the two out")
        if self.at_least not in self:
            end = f"at most {self.at_most:g}" if self.below is None else f"below {self.below:g}"
            raise ValueError(f"no number is at least {self.at_least:g} and {end}")
        return self

    def __contains__(self, number: float) -> bool:
        if self.below is not None and number >= self.below:
            return False
        return self.at_least <= number and (self.at_most is None or number <= self.at_most)


class DataRange(Group):
    """Sizes of training data, in numbers of the rendered training rows; all have to fit."""

    rows: Span = Span()
    mean_tokens: Span = Span()
    """Tokens of a row, prompt and answer together, on average."""
    max_tokens: Span = Span()
    """Tokens of the longest row."""


class KnobValues(Group):
    """What a rule recommends; null leaves the knob to the service."""

    epochs: int | None = Field(ge=1, le=100)
    learning_rate_multiplier: float | None = Field(gt=0)
    adapter_size: Literal[1, 2, 4, 8, 16, 32] | None


class AdviceRule(KnobValues):
    """Values for some models and some data."""

    models: list[str] = Field(min_length=1)
    """Ids of Gemini models, names of others; ``*`` stands for any characters."""
    modalities: list[Modality] = Field(default=list(MODALITIES), min_length=1)
    tasks: list[Task] = Field(default=list(TASKS), min_length=1)
    method: Literal["supervised", "preference"] = "supervised"
    data: list[DataRange] = Field(default=[DataRange()], min_length=1)
    """Sizes of the training data; one of them has to fit."""
    most_epochs: int | None = Field(default=None, ge=1, le=100)
    """Never more, whoever chooses: where the service does, a job above it is cancelled."""
    why: str
    note: str = ""
    """What a person should try, or watch, beyond the values."""
    source: str
    date: datetime.date
    """Of the source, or of the day on which it was read."""

    @model_validator(mode="after")
    def _within_the_cap(self) -> Self:
        if self.most_epochs is not None and (self.epochs or 0) > self.most_epochs:
            raise ValueError(f"epochs {self.epochs} is above most_epochs {self.most_epochs}")
        return self


class EpochConversion(Group):
    """Epochs of an older model turned into those of a newer one, for data of some sizes: the
    same up to `same_to`; ``ceil(same_to + slope * (epochs - same_to))`` between; from `share_from`
    on that `share`. Other data keeps its epochs."""

    data: list[DataRange] = Field(min_length=1)
    same_to: int = Field(ge=1)
    slope: float = Field(gt=0)
    share_from: int = Field(ge=1)
    share: float = Field(gt=0)


class Conversion(Group):
    """Rules of older models carried over to newer ones that have no rule of their own. Adapters
    stay; a multiplier becomes ``min(most_learning_rate_multiplier, log2(1 + multiplier))``; what
    was left to the service stays so."""

    models: list[str] = Field(min_length=1)
    """The newer models, as in a rule."""
    of: str
    """Id of the older model whose rules are carried over."""
    epochs: EpochConversion
    most_learning_rate_multiplier: float = Field(gt=0)
    most_epochs: int | None = Field(default=None, ge=1, le=100)
    why: str
    source: str
    date: datetime.date


class Advice(Group):
    """Rules of hyperparameters by name, and how those of older models are carried over."""

    rules: dict[str, AdviceRule] = {}
    conversions: dict[str, Conversion] = {}
    alike: float = Field(default=3.0, ge=1)
    """Earlier experiments are on like data where they have at most so many times as many training
    rows, or as few."""
