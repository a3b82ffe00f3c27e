"""What a job that has ended left: checkpoints, facts, findings, links, resources."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runner.backends.vertex.errors import translated
from runner.backends.vertex.jobs import PARTIAL, Job, hyperparameters, spec_of, statistics, whole
from runner.backends.vertex.submit import evaluation_notes, evaluation_resources
from runner.base.text import plural
from runner.config import VertexBackendSettings
from runner.records import Checkpoint, CurvePoint, DroppedRow, Resource, TuningResult

if TYPE_CHECKING:
    from runner.backends.vertex.clients import Clients

CONSOLE = "https://console.cloud.google.com/vertex-ai"
EVAL_LOSS = "eval_total_loss"
SIZES = {"ONE": 1, "TWO": 2, "FOUR": 4, "EIGHT": 8, "SIXTEEN": 16, "THIRTY_TWO": 32}


def result_of(
    job: Job,
    settings: VertexBackendSettings,
    curves: Sequence[CurvePoint],
    more: Sequence[str] = (),
) -> TuningResult:
    """The result of a succeeded job; `more` are findings from elsewhere."""
    stats, resolved = statistics(job), resolved_of(job)
    billable, epochs = whole(stats.get("totalBillableTokenCount")), resolved.get("epochCount") or 1
    return TuningResult(
        checkpoints=tuple(checkpoints_of(job, curves)),
        curves=tuple(curves),
        train_examples=whole(stats.get("tuningDatasetExampleCount")),
        train_tokens=round(billable / epochs),
        seconds=seconds_of(job),
        resolved=resolved,
        billable_tokens=billable,
        findings=(*notes_of(job), *evaluation_notes(job), *more),
        links=links_of(job, settings),
        resources=tuple(dict.fromkeys(resources_of(job))),
        dropped=tuple(dropped_of(stats)),
    )


def resolved_of(job: Job) -> dict[str, Any]:
    """The hyperparameters that the service trained with, as numbers."""
    found: dict[str, Any] = {}
    for name, value in hyperparameters(job).items():
        if name == "adapterSize":
            found[name] = SIZES.get(str(value).removeprefix("ADAPTER_SIZE_"), value)
        else:
            found[name] = int(value) if name == "epochCount" else float(value)
    return found


def checkpoints_of(job: Job, curves: Sequence[CurvePoint]) -> Iterator[Checkpoint]:
    """Every checkpoint with its endpoint, by step; the last one alone when no others are kept."""
    tuned = job.get("tunedModel") or {}
    found = tuned.get("checkpoints") or []
    for entry in sorted(found, key=lambda entry: whole(entry.get("step"))):
        step = whole(entry.get("step"))
        yield Checkpoint(
            id=str(entry["checkpointId"]),
            epoch=float(entry.get("epoch") or 0),
            step=step,
            path=str(entry.get("endpoint", "")),
            eval_loss=value_at(curves, EVAL_LOSS, step),
        )
    if not found and tuned.get("endpoint"):
        step = last_step(job, curves)
        loss = value_at(curves, EVAL_LOSS, step)
        epochs = float(resolved_of(job).get("epochCount", 0))
        yield Checkpoint("1", epochs, step, tuned["endpoint"], loss)


def last_step(job: Job, curves: Sequence[CurvePoint]) -> int:
    """Optimiser steps of the whole job."""
    done = whole((job.get("tuningJobMetadata") or {}).get("completedStepCount"))
    planned = whole(statistics(job).get("tuningStepCount"))
    return done or planned or max((point.step for point in curves), default=0)


def seconds_of(job: Job) -> float:
    """From start to end by the service's clock, whatever ours says."""
    begin, end = (job.get(name) for name in ("startTime", "endTime"))
    if not begin or not end:
        return 0.0
    return (_time(end) - _time(begin)).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def notes_of(job: Job) -> Iterator[str]:
    """What a person should know: half a success, rows that were left out."""
    if job.get("state") == PARTIAL:
        kept = plural(len((job.get("tunedModel") or {}).get("checkpoints") or []), "checkpoint")
        yield f"Vertex AI says that the job succeeded in part only; it left {kept}"
    stats = statistics(job)
    lost = whole(stats.get("totalTruncatedExampleCount")) or len(list(dropped_of(stats)))
    if lost:
        yield f"Vertex AI dropped {plural(lost, 'training row')}: neither trained nor paid for"


def dropped_of(stats: Mapping[str, Any]) -> Iterator[DroppedRow]:
    """The dropped rows that the service names (a sample), with its reasons."""
    numbers = stats.get("truncatedExampleIndices") or stats.get("droppedExampleIndices") or []
    reasons = list(stats.get("droppedExampleReasons") or [])
    reasons += [""] * (len(numbers) - len(reasons))
    for number, reason in zip(numbers, reasons, strict=False):
        yield DroppedRow(int(number), str(reason))


def links_of(job: Job, settings: VertexBackendSettings) -> dict[str, str]:
    """The job's pages in Google's console, at the addresses google-genai uses; none for the
    emulator, which has no console."""
    if settings.emulator:
        return {}
    _, _, _, location, *_, number = job["name"].split("/")
    place = f"locations/{location}"
    end = f"?project={settings.project}"
    found = {"console": f"{CONSOLE}/generative/language/{place}/tuning/tuningJob/{number}{end}"}
    if experiment := job.get("experiment"):
        name = experiment.rpartition("/")[2]
        found["tensorboard"] = f"{CONSOLE}/experiments/{place}/experiments/{name}/runs{end}"
    return found


def resources_of(job: Job) -> Iterator[Resource]:
    """Everything that the job used or made and that stays behind."""
    spec, tuned = spec_of(job), job.get("tunedModel") or {}
    for name in ("trainingDatasetUri", "validationDatasetUri"):
        if uri := spec.get(name):
            yield Resource("object", uri)
    entries = [*(tuned.get("checkpoints") or []), tuned]
    for endpoint in dict.fromkeys(entry["endpoint"] for entry in entries if entry.get("endpoint")):
        yield Resource("endpoint", endpoint)
    if model := tuned.get("model"):
        yield Resource("model", model)
    if experiment := job.get("experiment"):
        yield Resource("experiment", experiment)
    yield from evaluation_resources(job)


# A job's curves, read from Vertex AI TensorBoard while it runs.

READING = "reading the job's curves"
TENSORBOARD = "backing_tensorboard_resource"
"""Key of the metadata of a job's experiment (google-cloud-aiplatform, metadata/constants.py)."""
OF_TUNING = ("train_", "eval_")
"""Beginnings of the names that are curves; automatic evaluation adds runs of its own."""


@dataclass
class CurvePoints:
    """Every point of one job that was read so far, each once, in the order of its coming."""

    clients: Clients
    points: list[CurvePoint] = field(default_factory=list)
    _known: set[tuple[str, int]] = field(default_factory=set)
    _read: dict[str, int] = field(default_factory=dict)
    """Last step that was read, by time series."""
    _board: str = ""

    def read(self, experiment: str, steps_per_epoch: float) -> list[CurvePoint]:
        """All points of the job's experiment (``projects/../contexts/NAME``) so far, its steps
        as epochs by `steps_per_epoch` (0 when that is not known yet). Raises BackendError;
        `points` are those of earlier reads then."""
        fresh: list[CurvePoint] = []
        try:
            with translated(READING):
                for points in self._fresh(experiment, steps_per_epoch):
                    fresh += points
        finally:  # what was read before a failure is not read again
            self._keep(fresh)
        return list(self.points)

    def _keep(self, fresh: list[CurvePoint]) -> None:
        for point in sorted(fresh, key=lambda point: (point.step, point.name)):
            if (point.name, point.step) not in self._known:
                self._known.add((point.name, point.step))
                self.points.append(point)

    def _fresh(self, experiment: str, steps_per_epoch: float) -> Iterator[list[CurvePoint]]:
        """The points of each series that has grown."""
        location, name = experiment.split("/")[3], experiment.rpartition("/")[2]
        if not self._board:
            context = self.clients.metadata(location).get_context(name=experiment)
            self._board = str(context.metadata[TENSORBOARD])
        client = self.clients.tensorboards(location)
        for run in client.list_tensorboard_runs(parent=f"{self._board}/experiments/{name}"):
            for series in client.list_tensorboard_time_series(parent=run.name):
                title = series.display_name.lstrip("/")
                last = int(series.metadata.max_step)
                # A series that has not grown is not read again.
                if title.startswith(OF_TUNING) and self._read.get(series.name) != last:
                    points = list(self._points(client, series.name, title, steps_per_epoch))
                    yield points
                    self._read[series.name] = last

    def _points(
        self, client: Any, series: str, title: str, steps_per_epoch: float
    ) -> Iterator[CurvePoint]:
        from google.cloud.aiplatform_v1.types import ReadTensorboardTimeSeriesDataRequest

        # Without -1 the service returns a sample of the points.
        request = ReadTensorboardTimeSeriesDataRequest(
            tensorboard_time_series=series, max_data_points=-1
        )
        data = client.read_tensorboard_time_series_data(request=request).time_series_data
        for value in data.values:
            step = int(value.step)
            epoch = step / steps_per_epoch if steps_per_epoch else 0.0
            number = float(value.scalar.value)
            at = int(value.wall_time.timestamp() * 1000)
            yield CurvePoint(title, step, number, at, epoch)


def value_at(points: Iterable[CurvePoint], name: str, step: int) -> float:
    """A curve's value at a step, or at the measured step nearest to it; nan without any."""
    found = [point for point in points if point.name == name]
    if not found:
        return math.nan
    return min(found, key=lambda point: (abs(point.step - step), point.step)).value
