"""What a train worker is told: one JSON file, complete, with every knob resolved."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """A tuning job as the worker sees it. Paths are absolute."""

    label: str
    model: str
    """Folder with config, tokenizer and safetensors."""
    train: str
    validation: str | None
    """JSONL files of `Example` records."""
    context_tokens: int
    epochs: int
    learning_rate: float
    """Absolute, i.e. multiplier times the model's base rate."""
    rank: int
    alpha: int
    dropout: float
    upper_layers: int | None
    batch_size: int
    """Rows of one forward pass, over all processes together."""
    accumulation: int
    schedule: str
    warmup: float
    weight_decay: float
    max_steps: int | None
    seed: int
    device: str
    """``cpu`` or ``cuda``."""
    processes: int
    """More than one starts the worker under `accelerate launch`."""
    threads: int

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text(encoding="utf-8")))
