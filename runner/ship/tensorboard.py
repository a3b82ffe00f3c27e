"""Curves as TensorBoard event files, one folder an arm."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import MissingExtraError
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

OURS = ".sft"
"""Ends the name of every file written here: those, and no others, a second export replaces."""

Scalar = tuple[str, int, float, float]
"""Tag, step, value, seconds since 1970."""


def write_events(
    result: ExperimentResult, folder: Path, arms: Sequence[ArmResult]
) -> dict[str, Path]:
    """Write the arms' curves below `folder`; returns arm name to folder, of tuned arms only.

    Tags are the curves' names (``train_total_loss`` ...) and, at each checkpoint's step,
    ``validation/SCORE``. Times are those of the job. Writing again replaces what was written
    before. Raises MissingExtraError without the extra `tensorboard`.
    """
    written = {}
    for arm in arms:
        scalars = sorted(_scalars(arm), key=lambda scalar: (scalar[3], scalar[1]))
        if scalars:
            place = folder / safe(result.name) / f"{safe(arm.name)}-{arm.digest[:6]}"
            _write(place, scalars)
            written[arm.name] = place
    return written


def safe(name: str) -> str:
    """A name that can be a folder's."""
    return re.sub(r"[^\w.=-]+", "_", name).strip("_.") or "arm"


def _scalars(arm: ArmResult) -> Iterator[Scalar]:
    if arm.tuning is None:
        return
    ended = arm.ended_ms
    times = {point.step: point.time_ms for point in arm.tuning.curves}
    for point in arm.tuning.curves:
        yield point.name, point.step, point.value, point.time_ms / 1000
    for checkpoint in arm.checkpoints:
        when = times.get(checkpoint.step, ended) / 1000
        for name, score in checkpoint.validation.overall.items():
            if not math.isnan(score.value):
                yield f"validation/{name}", checkpoint.step, score.value, when


def _write(folder: Path, scalars: Sequence[Scalar]) -> None:
    before = list(folder.glob(f"events.out.tfevents.*{OURS}")) if folder.is_dir() else []
    writer = _writer(folder)
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    for tag, step, value, when in scalars:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(wall_time=when, step=step, summary=summary))
    writer.close()
    for file in before:
        file.unlink()


def _writer(folder: Path) -> EventFileWriter:
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ModuleNotFoundError as error:
        raise MissingExtraError("tensorboard", "tensorboard", "Writing event files") from error
    return EventFileWriter(str(folder), filename_suffix=OURS)


# Results in other tools' formats.

__all__ = ["write_events"]
