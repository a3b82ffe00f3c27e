"""The form of the saved views, pinned: it is read from MLflow's pages and documented nowhere.

When this fails after an update of MLflow, open `sft ui` in a browser, look, and adapt.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from runner.records.experiments import ExperimentResult
from runner.tracking.views import VIEWS, differing_params, view_tags
from tests.tracking import sample
from tests.tracking.conftest import client, runs, sync

BEST = "240 rows · lr 1"


def decoded(value: str) -> dict[str, Any]:
    """A view's state, decoded as MLflow's page does it."""
    envelope = json.loads(value)
    assert set(envelope) == {"name", "createdAt", "updatedAt", "state"}
    assert isinstance(envelope["createdAt"], int)
    kind, _, packed = envelope["state"].partition(";")
    assert kind == "deflate"
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def test_views_are_seeded_as_experiment_tags(home: Path, result: ExperimentResult) -> None:
    links = sync(home, result)

    tags = client(home).get_experiment(links.experiment_id).tags
    views = {key: value for key, value in tags.items() if key.startswith("mlflow.sharedViewState.")}
    assert {json.loads(value)["name"] for value in views.values()} == {
        "Leaderboard",
        "Curves",
        "Parallel coordinates",
        "Cost against quality",
        "Difference to the baseline",
        "Leaderboard of all sweeps",
    }
    assert "mlflow.sharedViewState.leaderboard" in views
    assert links.leaderboard == (
        f"#/experiments/{links.experiment_id}/runs"
        "?workflowType=machine_learning&viewStateShareKey=leaderboard"
    )
    assert max(map(len, views.values())) < 5000  # MLflow takes 20 000


def test_the_leaderboard_shows_arms_as_rows_sorted_by_the_score(
    home: Path, result: ExperimentResult
) -> None:
    links = sync(home, result)
    tag = (
        client(home).get_experiment(links.experiment_id).tags["mlflow.sharedViewState.leaderboard"]
    )
    state = decoded(tag)

    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    shown = client(home).search_runs([links.experiment_id], state["searchFilter"], order_by=[order])
    scores = [run.data.metrics["test/exact_match"] for run in shown]
    assert len(shown) == 5
    assert scores == sorted(scores, reverse=True)
    assert state["selectedColumns"][:2] == [
        "metrics.`test/exact_match`",
        "metrics.`gain/exact_match`",
    ]
    every = {key for run in shown for key in run.data.metrics} | {
        key for run in shown for key in run.data.params
    }
    assert {column.split("`")[1] for column in state["selectedColumns"]} <= every


def test_every_chart_shows_metrics_that_exist(home: Path, result: ExperimentResult) -> None:
    sync(home, result)
    known = {key for run in runs(home).values() for key in run.data.metrics}

    for value in view_tags(result, "baseline-run").values():
        state = decoded(value)
        sections = {section["uuid"] for section in state["compareRunSections"]}
        assert state["isAccordionReordered"] is True
        for chart in state["compareRunCharts"]:
            assert chart["metricSectionId"] in sections
            assert set(wanted_metrics(chart)) <= known, chart


def wanted_metrics(chart: dict[str, Any]) -> list[str]:
    axes = [chart[axis] for axis in ("xaxis", "yaxis") if axis in chart]
    return [
        *([chart["metricKey"]] if "metricKey" in chart else []),
        *chart.get("selectedMetricKeys", []),
        *chart.get("selectedMetrics", []),
        *(axis["key"] for axis in axes if axis["type"] == "METRIC"),
    ]


def test_the_difference_view_starts_from_the_baseline_run(
    home: Path, result: ExperimentResult
) -> None:
    links = sync(home, result)
    tag = client(home).get_experiment(links.experiment_id).tags["mlflow.sharedViewState.baseline"]
    (table,) = [
        chart for chart in decoded(tag)["compareRunCharts"] if chart["type"] == "DIFFERENCE"
    ]
    assert table["baselineColumnUuid"] == runs(home)["3-shot"].info.run_id


def test_params_that_vary_together_take_one_column(tmp_path: Path) -> None:
    result = sample.experiment(tmp_path, rows=8)
    assert differing_params(result) == ["learning_rate_multiplier", "train_examples"]
    assert differing_params(sample.with_arms(result, result.arms[:3])) == ["train_examples"]


def test_views_that_cannot_be_written_are_done_without(
    home: Path, result: ExperimentResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tag that MLflow refuses, as a future version might."""
    monkeypatch.setattr("runner.tracking.views.TAG", "x" * 300)

    links = sync(home, result)

    assert links.complete
    assert "viewStateShareKey" not in links.leaderboard
    assert len(runs(home)) == 6


def test_the_installed_pages_still_know_the_words_we_use() -> None:
    import mlflow

    folder = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    code = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.js"))
    state = decoded(next(iter(view_tags(sample_result(), "run").values())))
    words = {"mlflow.sharedViewState.", "viewStateShareKey", "deflate;", "mlflow.runColor"}
    for word in words | state.keys():
        assert word in code, word
    assert len({view.key for view in VIEWS}) == len(VIEWS)


def sample_result() -> ExperimentResult:
    return ExperimentResult(name="empty", digest="0" * 24, primary="exact_match")
