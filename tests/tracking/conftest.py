"""A fresh MLflow store for every test, copied from one that was migrated once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.config import MlflowTracking
from runner.records.experiments import ExperimentResult
from runner.tracking import Tracker, TrackingLinks, open_tracker, tracking_uri
from tests.tracking import sample

TRACKING = MlflowTracking(kind="mlflow")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store's database file."""
    from runner.tracking.mlflow_client import Mlflow

    home = tmp_path_factory.mktemp("migrated")
    Mlflow(tracking_uri(TRACKING, home), home)
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def new_home(migrated: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a home folder with an empty store."""

    def make(name: str) -> Path:
        home = tmp_path / name
        (home / "mlflow").mkdir(parents=True)
        shutil.copy(migrated, home / "mlflow" / "mlflow.db")
        return home

    return make


@pytest.fixture
def home(new_home: Callable[[str], Path]) -> Path:
    return new_home("home")


@pytest.fixture
def result(tmp_path: Path) -> ExperimentResult:
    """The sample experiment on few rows; its artifact files lie outside any home folder."""
    return sample.experiment(tmp_path / "artifacts", rows=8)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(
        "<!doctype html><meta charset=utf-8><h1 id=verdict>The verdict ✓</h1>", encoding="utf-8"
    )
    return file


def tracker(home: Path) -> Tracker:
    return open_tracker(TRACKING, home)


def sync(home: Path, result: ExperimentResult, report: Path | None = None) -> TrackingLinks:
    """One sync by a tracker of its own, as a new process would do it."""
    ours = tracker(home)
    try:
        return ours.sync(result, report, {})
    finally:
        ours.close()


def client(home: Path, uri: str = "") -> Any:
    from mlflow import MlflowClient

    uri = uri or tracking_uri(TRACKING, home)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs(home: Path, name: str = "triage", uri: str = "") -> dict[str, Any]:
    """Every live run of the experiment by its name; two of one name are a failure."""
    ours = client(home, uri)
    experiment = ours.get_experiment_by_name(name)
    found = list(ours.search_runs([experiment.experiment_id], max_results=1000))
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found), [run.info.run_name for run in found]
    return by_name


def history(home: Path, run: Any, uri: str = "") -> dict[str, list[tuple[int, int, float]]]:
    """Metric name to its (step, time, value) points, sorted."""
    ours = client(home, uri)
    return {
        key: sorted(
            (point.step, point.timestamp, point.value)
            for point in ours.get_metric_history(run.info.run_id, key)
        )
        for key in run.data.metrics
    }


def artifacts(home: Path, run: Any, folder: str = "", uri: str = "") -> set[str]:
    """Paths of every artifact file of the run."""
    paths: set[str] = set()
    for item in client(home, uri).list_artifacts(run.info.run_id, folder or None):
        paths |= artifacts(home, run, item.path, uri) if item.is_dir else {item.path}
    return paths


def snapshot(home: Path, name: str = "triage", uri: str = "") -> dict[str, Any]:
    """Everything the store shows of an experiment, with ids replaced by names: two stores of
    one result must give the same."""
    ours = client(home, uri)
    experiment = ours.get_experiment_by_name(name)
    found = runs(home, name, uri)
    names = {run.info.run_id: run.info.run_name for run in found.values()}

    def plain(text: str) -> str:
        for run_id, run_name in names.items():
            text = text.replace(run_id, run_name)
        return text

    own = {"mirror.digest", "sweep.place"}
    models = ours.search_logged_models([experiment.experiment_id], max_results=50)
    return {
        "runs": {
            run_name: {
                "state": run.info.status,
                "end": run.info.end_time,
                "params": run.data.params,
                "tags": {k: plain(v) for k, v in run.data.tags.items() if k not in own},
                "metrics": history(home, run, uri),
                "artifacts": sorted(artifacts(home, run, uri=uri)),
                "datasets": sorted(
                    (item.dataset.name, item.dataset.digest, item.tags[0].value)
                    for item in run.inputs.dataset_inputs
                ),
            }
            for run_name, run in found.items()
        },
        "models": sorted(
            (
                names[model.source_run_id],
                model.name,
                sorted(model.tags.items()),
                sorted(model.params.items()),
                sorted((m.key, m.step, m.value, m.dataset_name) for m in model.metrics),
            )
            for model in models
            if model.source_run_id in names
        ),
        "traces": sorted(traces(home, experiment.experiment_id, names, uri)),
    }


def traces(
    home: Path, experiment: str, names: dict[str, str], uri: str = ""
) -> list[tuple[Any, ...]]:
    from mlflow.tracing.client import TracingClient

    found = TracingClient(tracking_uri=uri or tracking_uri(TRACKING, home)).search_traces(
        locations=[experiment], max_results=500, include_spans=True
    )
    return [
        (
            names[trace.info.trace_metadata["mlflow.sourceRun"]],
            trace.info.client_request_id,
            str(trace.data.spans[0].inputs),
            str(trace.data.spans[0].outputs),
            sorted((item.name, str(item.value)) for item in trace.info.assessments),
        )
        for trace in found
        if trace.info.trace_metadata["mlflow.sourceRun"] in names
    ]
