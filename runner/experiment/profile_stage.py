"""What an arm is tuned on, in a few numbers: what hyperparameters are recommended by.

It is no step on an arm's way from data to scores: where a knob is ``recommended``, it is made
before there are arms, whose configuration then holds numbers as if they had been typed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from runner.advice import profile_of, task_of
from runner.advice.profile import media_of
from runner.experiment.render_stage import RenderStage
from runner.experiment.stage import ArmRun, Stage
from runner.gemini_format.tokens import TokenTally
from runner.records import Example, read_jsonl, read_record
from runner.records.advice import DataProfile

BATCH = 512
"""Rows whose tokens are counted at a time."""


@dataclass(frozen=True)
class ProfileStage(Stage[DataProfile]):
    """The training rows as rendered; task and method are the arm's."""

    name = "profile"

    @staticmethod
    def version() -> str:
        return "1"

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (RenderStage(),)

    def key(self, run: ArmRun) -> Mapping[str, Any]:
        return {"version": self.version(), "rendered": run.digest(RenderStage())}

    def build(self, run: ArmRun, out: Path) -> None:
        rendered, tally = run.read(RenderStage()), TokenTally(run.backend.count_tokens)
        seen, rows = run.context.watch("profile"), rendered.rows["train"]
        bands, media = list[tuple[int, int]](), list[set[str]]()
        for batch in _batches(rendered.file("train")):
            sizes = tally.measure(batch)
            bands += [(size, size) if tally.exact else (low, high) for size, low, high in sizes]
            media += map(media_of, batch)
            seen(len(bands), rows)
        found = profile_of(bands, media, len(bands))
        (out / "profile.json").write_text(json.dumps(asdict(found)), encoding="utf-8")

    def read(self, path: Path) -> DataProfile:
        return read_record(path / "profile.json", DataProfile)


def data_profile(run: ArmRun) -> DataProfile:
    """The profile of what the arm is tuned on, its task and method included."""
    experiment = run.experiment
    task, method = task_of(experiment.suite), experiment.tuning.method
    return replace(run.read(ProfileStage()), task=task, method=method)


def _batches(file: Path) -> Iterator[list[Example]]:
    rows = map(Example.from_json, read_jsonl(file))
    while batch := list(islice(rows, BATCH)):
        yield batch
