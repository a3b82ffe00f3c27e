"""What tunes and answers: the group `backend`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from runner.config.base import Group, Share


class BackendBase(Group):
    """What is asked of the settings of every backend. The answers here are those of one that is
    no paid service with a queue of its own."""

    @property
    def rehearsal(self) -> bool:
        """Whether it stands in for a paid service: same prices, same caps, no money."""
        return False

    @property
    def batched_from(self) -> int | None:
        """Requests from which on the untuned model is asked by batch; None for never."""
        return None

    def at_default_thinking(self) -> Backend | None:
        """The same with the model thinking as it does by default; None where that is no change."""
        return None

    def shaping(self) -> dict[str, Any]:
        """What of these settings shapes results, as JSON: part of what an arm and its artifacts
        are."""
        return self.model_dump(mode="json")

    def identity(self) -> dict[str, Any]:
        """What is part of every answer's key beside what the backend itself says it is."""
        return {}


class LocalBackendSettings(BackendBase):
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
    """Drawn once a batch for what all its rows begin with."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.1
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    gradient_checkpointing: bool = False
    """Compute activations anew in the backward pass: less memory, about a third slower, and what
    rows of a batch begin with is computed for each of them."""
    upper_layers: int | None = Field(default=None, gt=0)
    """Adapt only this many layers from the top: faster, a little worse; null for all."""
    max_steps: int | None = Field(default=None, gt=0)
    """Stop after this many optimiser steps; for trying things out."""
    generation_batch: int = Field(default=20, gt=0)


class PluginBackend(BackendBase):
    """A backend that an installed package adds under the entry point ``runner.backends``."""

    kind: Literal["plugin"]
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = {}

    def identity(self) -> dict[str, Any]:
        return {"plugin": self.name, "options": self.options}


class OnlineCalls(Group):
    """How many calls are under way at a time: the number follows what the service bears."""

    start: int = Field(default=20, gt=0)
    ceiling: int = Field(default=100, gt=0)
    attempts: int = Field(default=8, gt=0)
    """Tries of one call; 429, 5xx and lost connections are tried again."""
    timeout_seconds: float = Field(default=120, gt=0)


class VertexBackendSettings(BackendBase):
    """Gemini on Vertex AI. Credentials come from Application Default Credentials only."""

    kind: Literal["vertex"]
    project: str
    """Google Cloud project id."""
    location: str = "us-central1"
    """Where tuning jobs run."""
    bucket: str = Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]+(/.*)?$")
    """``gs://bucket`` or ``gs://bucket/folder`` for datasets and batch answers."""
    emulator: str | None = None
    """Base URL of a running `sft emulate`, e.g. ``http://127.0.0.1:9099``; null is the real
    service. The emulator says itself where its storage is."""
    concurrency: int = Field(default=1, gt=0)
    """Tuning jobs at a time; the guaranteed quota of a project is one."""
    poll_seconds: float = Field(default=30, gt=0)
    """Between two looks at a job, with jitter."""
    stall_minutes: float = Field(default=90, gt=0)
    """Warn when a running job shows no progress for this long."""
    visible_seconds: float = Field(default=180, gt=0)
    """Seconds after its create call within which a job that was made shows up in the service's
    lists; where that call's end was not seen, the job is looked for so long before another."""
    lock_seconds: float = Field(default=300, gt=0)
    """A lock on the making of a job that was not renewed for so long is taken over; not below
    `visible_seconds`."""
    last_checkpoint_only: bool = False
    """Keep only the last checkpoint instead of one an epoch."""
    service_account: str | None = None
    kms_key: str | None = None
    """Customer-managed encryption key, full resource name."""
    labels: dict[str, str] = {}
    """Further labels of every job."""
    online: OnlineCalls = OnlineCalls()
    batch_from: int | None = Field(default=None, gt=0)
    """Use batch prediction (half price, slower) from this many requests on; null never."""
    thinking: Literal["least", "default"] = "least"
    """Thinking while answering: as little as the model allows, or its own default."""
    auto_evaluation: bool = False
    """Let the service evaluate checkpoints while tuning (Preview; billed as batch)."""

    @model_validator(mode="after")
    def _lock_outlasts_doubt(self) -> Self:
        if self.lock_seconds < self.visible_seconds:
            raise ValueError(
                "lock_seconds must not be below visible_seconds: whoever takes a lock over would"
                " not see the job of the one who died"
            )
        return self

    @property
    def rehearsal(self) -> bool:
        return self.emulator is not None

    @property
    def batched_from(self) -> int | None:
        return self.batch_from

    def at_default_thinking(self) -> Backend | None:
        changed = self.model_copy(update={"thinking": "default"})
        return None if self.thinking == "default" else changed

    def shaping(self) -> dict[str, Any]:
        """Little: project, place, pace and who pays change no result; whether it is the real
        service does."""
        shaping = {"kind", "last_checkpoint_only", "thinking", "auto_evaluation"}
        return {
            **self.model_dump(mode="json", include=shaping),
            "emulated": self.emulator is not None,
        }


Backend = Annotated[
    LocalBackendSettings | VertexBackendSettings | PluginBackend, Field(discriminator="kind")
]
