"""What tunes and answers: the group `backend`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from runner.config.base import Group, Share


class LocalBackend(Group):
    """LoRA tuning and generation on this machine, in processes of their own."""

    kind: Literal["local"]
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, gt=0)
    """Torch threads; null takes the machine's cores. Part of bit-equal reruns."""
    batch_size: int = Field(default=8, gt=0)
    """Rows per optimiser step (Gemini does not expose this one)."""
    gradient_accumulation: int = Field(default=1, gt=0)
    lora_alpha: int = Field(default=16, gt=0)
    lora_dropout: Share = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.1
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    upper_layers: int | None = Field(default=None, gt=0)
    """Adapt only this many layers from the top: faster, a little worse; null for all."""
    max_steps: int | None = Field(default=None, gt=0)
    """Stop after this many optimiser steps; for trying things out."""
    generation_batch: int = Field(default=20, gt=0)


class PluginBackend(Group):
    """A backend that an installed package adds under the entry point ``runner.backends``."""

    kind: Literal["plugin"]
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = {}


Backend = Annotated[LocalBackend | PluginBackend, Field(discriminator="kind")]
