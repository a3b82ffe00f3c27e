"""The one file that imports MLflow: few verbs, every foreign exception translated.

Uses only `MlflowClient` and the entities, never MLflow's global "active run", so that threads
and several trackers do not disturb each other.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from filelock import FileLock

from runner.base.errors import SftError
from runner.tracking.facts import DatasetFact, LoggedMetric, ModelFact, RunState, TraceFact
from runner.tracking.traces import (
    as_trace,
    span,
    trace_id,
)

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own patience with a dead server is several minutes a call.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
}
CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}
"""Split to the word MLflow shows beside a dataset."""
BATCH = 1000
"""Metrics MLflow takes in one request."""

P = ParamSpec("P")
R = TypeVar("R")


def translated(method: Callable[P, R]) -> Callable[P, R]:
    """Turn whatever MLflow, SQLAlchemy, HTTP or the disk raise into a TrackingError."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except TrackingError:
            raise
        except Exception as error:
            text = " ".join(str(error).split())
            passing = "database is locked" in text or "Max retries exceeded" in text
            short = text if len(text) <= 300 else f"{text[:300]} ..."
            raise TrackingError(f"{type(error).__name__}: {short}", passing=passing) from error

    return call


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run that is in the store already."""

    id: str
    state: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    artifact_uri: str


class Mlflow:
    """An open tracking store. Opening it creates or checks the schema, under a lock: MLflow's
    migrations break when several processes meet an empty database."""

    @translated
    def __init__(self, uri: str, home: Path) -> None:
        for name, setting in ENVIRONMENT.items():
            os.environ.setdefault(name, setting)
        from mlflow import MlflowClient
        from mlflow.tracing.client import TracingClient

        for chatty in ("mlflow.store.db.utils", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self.uri = uri
        self.root = home / "mlflow"
        self.root.mkdir(parents=True, exist_ok=True)
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "schema.lock"):
            self.client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self.client.search_experiments(max_results=1)
        self.tracing: Any = TracingClient(tracking_uri=uri)

    # --- experiments -----------------------------------------------------------------------

    @translated
    def experiment(self, name: str) -> str:
        """Id of the experiment with this name, made when missing, brought back when deleted."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self.client.create_experiment(name, self._artifact_root(name)))
            except Exception:
                # Another process may have been faster; only then is there one now.
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _artifact_root(self, name: str) -> str | None:
        """Artifacts go below our home; a tracking server decides for itself."""
        if self.uri.startswith(("http://", "https://", "databricks")):
            return None
        folder = "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
        return (self.root / "artifacts" / folder).resolve().as_uri()

    @translated
    def tag_experiment(self, experiment: str, tags: Mapping[str, str]) -> None:
        for name, text in tags.items():
            self.client.set_experiment_tag(experiment, name, text)

    # --- runs ------------------------------------------------------------------------------

    @translated
    def runs(self, experiment: str, query: str) -> list[TrackedRun]:
        """Runs that match MLflow's filter `query`, oldest first."""
        found: list[TrackedRun] = []
        token = None
        while True:
            page = self.client.search_runs(
                [experiment],
                query,
                max_results=1000,
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token,
            )
            found += map(_found, page)
            token = page.token
            if not token:
                return found

    @translated
    def run(self, run: str) -> TrackedRun:
        return _found(self.client.get_run(run))

    @translated
    def create(self, experiment: str, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        everyone = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL"}
        run = self.client.create_run(
            experiment, start_time=start_ms, tags={**everyone, **tags}, run_name=name
        )
        return str(run.info.run_id)

    @translated
    def rename(self, run: str, name: str) -> None:
        self.client.update_run(run, name=name)

    @translated
    def end(self, run: str, state: RunState, end_ms: int | None) -> None:
        """End the run at `end_ms`, or now."""
        self.client.set_terminated(run, state, end_ms)

    @translated
    def reopen(self, run: str) -> None:
        self.client.update_run(run, status="RUNNING")

    @translated
    def delete(self, experiment: str, run: str) -> None:
        """Delete the run with its models and traces."""
        self.models(experiment, run, ())
        self.traces(experiment, run, ())
        self.client.delete_run(run)

    # --- contents of a run -----------------------------------------------------------------

    @translated
    def write(
        self,
        run: str,
        measures: Sequence[LoggedMetric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        datasets: Mapping[str, DatasetFact] | None = None,
    ) -> None:
        """Metrics, params and tags in as few requests as possible. `models` and `datasets` tie
        a measure to its checkpoint's model id and its split's dataset."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [
            Metric(
                item.key,
                item.value,
                item.time_ms,
                item.step,
                model_id=(models or {}).get(item.checkpoint),
                **_dataset_of(item, models or {}, datasets or {}),
            )
            for item in measures
        ]
        self.client.log_batch(
            run,
            metrics[:BATCH],
            [Param(name, text) for name, text in (params or {}).items()],
            [RunTag(name, text) for name, text in (tags or {}).items()],
            synchronous=True,
        )
        for start in range(BATCH, len(metrics), BATCH):
            self.client.log_batch(run, metrics[start : start + BATCH], synchronous=True)

    @translated
    def history(self, run: str, keys: Iterable[str]) -> list[LoggedMetric]:
        """Every stored point of these metrics."""
        return [
            LoggedMetric(point.key, point.value, point.step, point.timestamp)
            for key in keys
            for point in self.client.get_metric_history(run, key)
        ]

    @translated
    def datasets(self, run: str, datasets: Sequence[DatasetFact]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=item.name,
                    digest=item.digest,
                    source_type="local",
                    source=json.dumps({"uri": item.source}),
                    profile=json.dumps({"num_rows": item.rows} if item.rows else {}),
                ),
                [InputTag("mlflow.data.context", CONTEXTS.get(item.split, item.split))],
            )
            for item in datasets
        ]
        if inputs:
            self.client.log_inputs(run, inputs)

    @translated
    def models(self, experiment: str, run: str, wanted: Sequence[ModelFact]) -> dict[str, str]:
        """Checkpoint id to LoggedModel id; missing ones are made, surplus ones deleted."""
        from mlflow.entities import LoggedModelOutput

        found = self.client.search_logged_models([experiment], f"source_run_id = '{run}'")
        ids = {model.tags.get("checkpoint", ""): str(model.model_id) for model in found}
        for surplus in ids.keys() - {item.checkpoint for item in wanted}:
            self.client.delete_logged_model(ids[surplus])
        for item in wanted:
            if item.checkpoint in ids:
                self.client.set_logged_model_tags(ids[item.checkpoint], dict(item.tags))
                continue
            model = self.client.create_logged_model(
                experiment,
                name=item.name,
                source_run_id=run,
                tags=dict(item.tags),
                params=dict(item.params),
                model_type="checkpoint",
            )
            self.client.finalize_logged_model(model.model_id, "READY")
            step = int(item.params.get("step", 0))
            self.client.log_outputs(run, [LoggedModelOutput(model.model_id, step)])
            ids[item.checkpoint] = str(model.model_id)
        return {item.checkpoint: ids[item.checkpoint] for item in wanted}

    @translated
    def artifacts(
        self, run: TrackedRun, texts: Mapping[str, str], files: Mapping[str, Path]
    ) -> None:
        """Make the run's artifacts exactly these: contents by path, and files to copy."""
        with tempfile.TemporaryDirectory(prefix="sft-tracking-") as folder:
            for path, text in texts.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            for path, file in files.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
            if texts or files:
                self.client.log_artifacts(run.id, folder)
        self._remove(run, self._paths(run.id, "") - {*texts, *files})

    @translated
    def traces(self, experiment: str, run: str, wanted: Sequence[TraceFact]) -> None:
        """Make the run's traces exactly these. A trace's id is a digest of what it shows, so
        ratings that people gave stay with the answer they were given for."""
        from mlflow.entities import Span

        made = {trace_id(run, fact): fact for fact in wanted}
        found = self.tracing.search_traces(
            locations=[experiment], run_id=run, include_spans=False, max_results=500
        )
        there = {trace.info.trace_id for trace in found}
        if surplus := list(there - made.keys()):
            self.tracing.delete_traces(experiment, trace_ids=surplus)
        missing = {identity: fact for identity, fact in made.items() if identity not in there}
        for identity, fact in missing.items():
            self.tracing.start_trace(as_trace(experiment, run, identity, fact))
        if missing:
            spans = [Span.from_dict(span(identity, fact)) for identity, fact in missing.items()]
            self.tracing.log_spans(experiment, spans)

    def _paths(self, run: str, folder: str) -> set[str]:
        paths: set[str] = set()
        for item in self.client.list_artifacts(run, folder or None):
            paths |= self._paths(run, item.path) if item.is_dir else {item.path}
        return paths

    def _remove(self, run: TrackedRun, surplus: set[str]) -> None:
        if surplus:
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            repository = get_artifact_repository(run.artifact_uri)
            for path in surplus:
                repository.delete_artifacts(path)


def _found(run: Any) -> TrackedRun:
    return TrackedRun(
        run.info.run_id,
        run.info.status,
        run.data.tags,
        run.data.params,
        run.data.metrics,
        run.info.artifact_uri,
    )


def _dataset_of(
    measure: LoggedMetric, models: Mapping[str, str], datasets: Mapping[str, DatasetFact]
) -> dict[str, str]:
    """MLflow keeps a metric's dataset only together with a model."""
    found = datasets.get(measure.split)
    if found is None or measure.checkpoint not in models:
        return {}
    return {"dataset_name": found.name, "dataset_digest": found.digest}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


# The one error of this room. It never leaves it: the tracker turns it into a warning.


class TrackingError(SftError):
    """The tracking store could not be read or written; the message says where and why.

    `passing` says whether the same call may work in a moment (a locked database, a lost
    connection).
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(message)
