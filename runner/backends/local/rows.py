"""Tuning rows as token ids: what the trainer sees of a JSONL file of examples."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runner.backends.local.chat import Chat
from runner.base.errors import BackendError
from runner.base.text import plural
from runner.records import Example, read_jsonl

IGNORED = -100
"""Label of a token that is not learned (the prompt), as torch's cross entropy has it."""
LISTED = 5


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row: `ids` of prompt, target and end of turn; `labels` the same with the prompt
    ignored; `beginning` the number of its system instruction among those of the file."""

    ids: list[int]
    labels: list[int]
    beginning: int = 0


def encode(path: Path, chat: Chat, context_tokens: int) -> list[Encoded]:
    """All rows of the file. Raises BackendError naming the rows longer than the context."""
    rows, long = [], []
    beginnings: dict[str, int] = {}
    examples = [Example.from_json(raw) for raw in read_jsonl(path)]
    for example, (ids, cut) in zip(examples, chat.examples(examples), strict=True):
        if len(ids) > context_tokens:
            long.append(f"{example.id} ({len(ids)} tokens)")
        beginning = beginnings.setdefault(example.system, len(beginnings))
        rows.append(Encoded(ids, [IGNORED] * cut + ids[cut:], beginning))
    if long:
        more = f" and {len(long) - LISTED} more" if len(long) > LISTED else ""
        raise BackendError(
            f"{plural(len(long), 'row')} of {path.name} cannot fit into model.context_tokens="
            f"{context_tokens}: {', '.join(long[:LISTED])}{more}; shorten or drop them, or raise "
            "model.context_tokens"
        )
    return rows


# What a train worker is told: one JSON file, complete, with every knob resolved.


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
    gradient_checkpointing: bool
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
