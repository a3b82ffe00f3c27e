"""A job's curves, read from Vertex AI TensorBoard while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.records import CurvePoint
from runner.vertex.errors import translated

if TYPE_CHECKING:
    from runner.vertex.clients import Clients

READING = "reading the job's curves"
TENSORBOARD = "backing_tensorboard_resource"
"""Key of the metadata of a job's experiment (google-cloud-aiplatform, metadata/constants.py)."""
OF_TUNING = ("train_", "eval_")
"""Beginnings of the names that are curves; automatic evaluation adds runs of its own."""


@dataclass
class Curves:
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
