"""The traces of a served model, as plain data: the way back from MLflow.

What reads them (`runner.sources.traces`) knows no MLflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.base.errors import ConfigError, DataError, MissingExtraError, Problem

PAGE = 500


@dataclass(frozen=True, slots=True)
class Logged:
    """One trace, as plain data."""

    id: str
    inputs: Any
    outputs: Any
    expectations: Mapping[str, Any]
    """The last value of each expectation."""
    feedback: Mapping[str, Any]
    """The last valid value of each feedback."""


def logged(tracking_uri: str | None, experiment: str, query: str, key: str) -> Iterator[Logged]:
    """Yield the traces of an experiment, oldest first, page by page. `key` is where the
    configuration names the experiment; the filter stands beside it.

    Raises:
        MissingExtraError: `mlflow` is not installed.
        ConfigError: there is no such experiment, or MLflow does not understand the filter.
        DataError: MLflow cannot be reached.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise MissingExtraError("mlflow", "local", "reading traces") from error
    try:
        client = MlflowClient(tracking_uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            there = ", ".join(e.name for e in client.search_experiments(max_results=20))
            message = f"MLflow has no experiment {experiment!r}; it has: {there or 'none'}"
            raise ConfigError([Problem(key, message)])
        token: str | None = None
        while True:
            page = client.search_traces(
                locations=[found.experiment_id],
                filter_string=query or None,
                max_results=PAGE,
                order_by=["timestamp_ms ASC"],
                page_token=token,
            )
            yield from map(_plain, page)
            token = page.token
            if not token:
                return
    except MlflowException as error:
        if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
            beside = f"{key.rpartition('.')[0]}.filter"
            raise ConfigError([Problem(beside, f"MLflow refuses {query!r}: {error}")]) from error
        raise DataError(f"MLflow's traces cannot be read: {error}") from error


def _plain(trace: Any) -> Logged:
    expectations: dict[str, Any] = {}
    feedback: dict[str, Any] = {}
    for item in sorted(trace.info.assessments or (), key=lambda a: a.create_time_ms or 0):
        if item.expectation is not None:
            expectations[item.name] = item.expectation.value
        elif item.feedback is not None and item.feedback.error is None and item.valid is not False:
            feedback[item.name] = item.feedback.value
    root = next((span for span in trace.data.spans if span.parent_id is None), None)
    inputs, outputs = (root.inputs, root.outputs) if root else (None, None)
    return Logged(trace.info.trace_id, inputs, outputs, expectations, feedback)
