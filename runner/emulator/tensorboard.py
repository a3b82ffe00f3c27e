"""The curves of a job as Vertex AI TensorBoard shows them: written by jobs, read by clients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.emulator.call import page
from runner.emulator.refusals import invalid, not_found
from runner.records import CurvePoint

if TYPE_CHECKING:
    from runner.emulator.call import Call
    from runner.emulator.registry import StoredResource
    from runner.emulator.service import EmulatedService

SAMPLED = 1000
"""Points that a read returns when it does not say how many."""


@dataclass
class Board:
    """Where one job's points go. `context` is the job's `experiment`."""

    service: EmulatedService
    run: str
    context: str
    series: dict[str, str] = field(default_factory=dict)
    """Time series name by metric."""

    def plot(self, points: Iterable[CurvePoint]) -> None:
        """Store points; a metric seen for the first time gets its series."""
        rows = []
        for point in points:
            if point.name not in self.series:
                self.series[point.name] = self._series(point.name)
            rows.append((self.series[point.name], point.step, point.value, point.time_ms / 1000))
        self.service.registry.plot(rows)

    def _series(self, metric: str) -> str:
        title = f"/{metric}"
        for found in self.service.registry.all("timeSeries", self.run):
            if found.body["displayName"] == title:
                return found.name
        name = self.service.new_name(self.run, "timeSeries")
        body = self.service.stamped(displayName=title, valueType="SCALAR", pluginName="scalars")
        return self.service.registry.add("timeSeries", name, body).name


def open_board(service: EmulatedService, job: StoredResource) -> Board:
    """The job's experiment: made at the first call, found again after a restart."""
    place = "/".join(job.name.split("/")[:4])
    number = job.name.rpartition("/")[2]
    day = job.body["createTime"][:10].replace("-", "")
    title = f"tuning-experiment-{day}-{number[-10:]}"
    context = f"{place}/metadataStores/default/contexts/{title}"
    board = _tensorboard(service, place)
    experiment = f"{board}/experiments/{title}"
    run = f"{experiment}/runs/tuning-experiment-run-{number[-10:]}"
    if service.registry.get("contexts", context) is None:
        add = service.registry.add
        metadata = {"backing_tensorboard_resource": board}
        schema = {"schemaTitle": "system.Experiment", "schemaVersion": "0.0.1"}
        add("contexts", context, service.stamped(displayName=title, metadata=metadata, **schema))
        add("experiments", experiment, service.stamped(displayName=title))
        add("runs", run, service.stamped(displayName=run.rpartition("/")[2]))
    return Board(service, run, context)


def _tensorboard(service: EmulatedService, place: str) -> str:
    """The project's TensorBoard of a location."""
    found = service.registry.all("tensorboards", place)
    if found:
        return found[0].name
    name = service.new_name(place, "tensorboards")
    body = service.stamped(displayName="default", isDefault=True)
    return service.registry.add("tensorboards", name, body).name


# --- methods ---------------------------------------------------------------------------------


def context(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The metadata context of a job; it names the TensorBoard."""
    return service.find("contexts", call.name).body


def drop_context(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Delete a job's context; its curves stay on the TensorBoard."""
    from runner.emulator.models import operation

    service.registry.remove(service.find("contexts", call.name))
    return operation(service, call, "DeleteOperationMetadata")


def board(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One TensorBoard."""
    return service.find("tensorboards", call.name).body


def boards(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The TensorBoards of a location."""
    return page(call, "tensorboards", service.registry.all("tensorboards", call.place))


def experiment(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One experiment."""
    return service.find("experiments", call.name).body


def experiments(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The experiments of a TensorBoard."""
    parent = call.name.rpartition("/")[0]
    service.find("tensorboards", parent)
    return page(call, "tensorboardExperiments", service.registry.all("experiments", parent))


def run(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One run."""
    return service.find("runs", call.name).body


def runs(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The runs of an experiment."""
    parent = call.name.rpartition("/")[0]
    service.find("experiments", parent)
    return page(call, "tensorboardRuns", service.registry.all("runs", parent))


def series(service: EmulatedService, call: Call) -> dict[str, Any]:
    """One time series."""
    return _with_extent(service, service.find("timeSeries", call.name))


def all_series(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The time series of a run."""
    parent = call.name.rpartition("/")[0]
    service.find("runs", parent)
    reply = page(call, "tensorboardTimeSeries", service.registry.all("timeSeries", parent))
    for body in reply.get("tensorboardTimeSeries", ()):
        body.update(_extent(service, body["name"]))
    return reply


def _with_extent(service: EmulatedService, found: StoredResource) -> dict[str, Any]:
    return {**found.body, **_extent(service, found.name)}


def _extent(service: EmulatedService, name: str) -> dict[str, Any]:
    points = service.registry.points(name)
    if not points:
        return {}
    last = points[-1]
    return {"metadata": {"maxStep": str(last[0]), "maxWallTime": service.clock.stamp(last[2])}}


def read(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The points of one series: `maxDataPoints` of them, evenly; -1 for all."""
    most = call.one("maxDataPoints", str(SAMPLED))
    if most != "-1" and not most.isdigit():
        raise invalid("max_data_points", f"max_data_points must be -1 or more, not {most!r}.")
    found = service.find("timeSeries", call.name)
    return {"timeSeriesData": _data(service, found, int(most) or SAMPLED)}


def batch_read(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The points of several series of one TensorBoard."""
    from runner.emulator.call import canonical

    names = [canonical(name) for name in call.query.get("timeSeries", ())]
    for name in names:
        if not name.startswith(call.name + "/"):
            raise not_found(name)
    found = [service.find("timeSeries", name) for name in names]
    return {"timeSeriesData": [_data(service, one, SAMPLED) for one in found]}


def _data(service: EmulatedService, found: StoredResource, most: int) -> dict[str, Any]:
    points = service.registry.points(found.name)
    if 0 < most < len(points):
        places = {round(n * (len(points) - 1) / max(1, most - 1)) for n in range(most)}
        points = [points[place] for place in sorted(places)]
    values = [
        {"step": str(step), "wallTime": service.clock.stamp(at), "scalar": {"value": value}}
        for step, value, at in points
    ]
    number = found.name.rpartition("/")[2]
    return {"tensorboardTimeSeriesId": number, "valueType": "SCALAR", "values": values}
