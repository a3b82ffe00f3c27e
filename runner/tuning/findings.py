"""What a person should know about a finished job, beside its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from runner.backends.protocol import TuningJob
from runner.config import Tuning
from runner.records import Example, TuningResult, read_jsonl

KNOBS = {
    "epochCount": ("epochs", "epochs"),
    "adapterSize": ("adapter_size", "adapter size"),
    "learningRateMultiplier": ("learning_rate_multiplier", "learning rate multiplier"),
    "beta": ("beta", "beta"),
}
"""Name in `TuningResult.resolved` as Vertex AI has it, key of the group `tuning`, words."""
SHOWN = 20
"""Dropped rows that are named one by one."""


def findings(job: TuningJob, result: TuningResult) -> Iterator[str]:
    """Knobs that the service turned by itself, and dropped rows at their place in our data."""
    yield from surprises(job.tuning, result)
    yield from dropped_rows(job.train, result)


def surprises(tuning: Tuning, result: TuningResult) -> Iterator[str]:
    """Hyperparameters that were left open, or came back other than they were asked for."""
    for name, (key, words) in KNOBS.items():
        value, asked = result.resolved.get(name), getattr(tuning, key)
        if value is None:
            continue
        if asked is None:
            yield f"{words} left open (tuning.{key}=null): the service chose {value:g}"
        elif float(asked) != float(value):
            yield f"{words} {asked:g} asked for, but the service trained with {value:g}"


def dropped_rows(train: Path, result: TuningResult) -> Iterator[str]:
    """The rows that the service names, as file and line of the source they came from."""
    wanted = {row.number: row.reason for row in islice(result.dropped, SHOWN)}
    for number, raw in enumerate(read_jsonl(train), 1):
        if number in wanted:
            example = Example.from_json(raw)
            place = f"{example.origin.file}:{example.origin.line}"
            yield f"dropped: {place} (row {example.id}): {wanted.pop(number)}"
        if not wanted:
            return
