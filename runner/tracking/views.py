"""Saved views of MLflow's experiment page, as experiment tags.

MLflow 3.17 keeps a saved view as the tag ``mlflow.sharedViewState.<key>`` whose value is JSON:
``name``, ``createdAt``, ``updatedAt`` and ``state``, the page's state as ``deflate;`` + base64 of
zlib-compressed JSON. That form is read from MLflow's own pages, not documented: a test pins it,
and whoever writes these tags must not mind when they do nothing.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runner.results import ExperimentResult
from runner.tracking.arm_run import arm_params
from runner.tracking.links import LEADERBOARD
from runner.tracking.names import key

TAG = "mlflow.sharedViewState."
RUNS_SHOWN = 20
"""Runs a chart draws; MLflow's own choice of 10 hides arms of a middling sweep."""

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """One saved view: its key in links, its name in the menu, the mode its link opens."""

    key: str
    name: str
    mode: str
    charts: Callable[[ExperimentResult, str], list[tuple[str, list[State]]]]
    """Sections of charts, given the result and the run id of the baseline."""
    only_tuned: bool = False


def view_tags(result: ExperimentResult, baseline_run: str) -> dict[str, str]:
    """The experiment tags of all views of this result. `baseline_run` is the run every other
    one is held against; empty for none."""
    when = result.ended_ms or result.started_ms
    return {
        TAG + view.key: _envelope(view.name, when, _state(view, result, baseline_run))
        for view in VIEWS
    }


def _envelope(name: str, when: int, state: State) -> str:
    text = json.dumps(state, separators=(",", ":"), ensure_ascii=False)
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return json.dumps(
        {"name": name, "createdAt": when, "updatedAt": when, "state": f"deflate;{packed}"}
    )


def _state(view: View, result: ExperimentResult, baseline_run: str) -> State:
    sections, charts = _laid_out(view.key, view.charts(result, baseline_run))
    kind = "= 'tuning'" if view.only_tuned else "!= 'sweep'"
    return {
        "searchFilter": f"tags.`sweep.id` = '{result.digest}' and tags.`run.kind` {kind}",
        "orderByKey": f"metrics.`{key(f'test/{result.primary}')}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": _columns(result),
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunSections": sections,
        "compareRunCharts": charts,
        "viewMaximized": False,
        "runListHidden": False,
        # Without this the page sorts sections by name and puts its own before ours.
        "isAccordionReordered": True,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
        "chartsSearchFilter": "",
    }


def _columns(result: ExperimentResult) -> list[str]:
    primary = result.primary
    metrics = [
        f"test/{primary}",
        f"test/{primary}_low",
        f"test/{primary}_high",
        f"over_baseline/{primary}",
        "over_baseline/p_holm",
        f"chosen/validation_{primary}",
        "cost/seconds",
    ]
    return [f"metrics.`{key(name)}`" for name in metrics] + [
        f"params.`{name}`" for name in differing_params(result)
    ]


def differing_params(result: ExperimentResult) -> list[str]:
    """Params that do not have one value in all tuned arms, and the size of the training data."""
    tuned = [arm_params(arm) for arm in result.arms if arm.kind == "tuned"]
    names = list(dict.fromkeys(name for params in tuned for name in params))
    differing = [name for name in names if len({params.get(name) for params in tuned}) > 1]
    return differing or [name for name in names if name == "train_examples"]


def baseline_arm(result: ExperimentResult) -> str:
    """Digest of the arm the tuned ones are held against, else of the first untuned one."""
    against = [arm.baseline for arm in result.arms if arm.baseline]
    untuned = [arm.digest for arm in result.arms if arm.kind != "tuned"]
    return next(iter([*against, *untuned]), "")


def _laid_out(
    view: str, sections: Sequence[tuple[str, list[State]]]
) -> tuple[list[State], list[State]]:
    """Sections and charts with the ids that tie them together."""
    heads, cards = [], []
    for place, (name, charts) in enumerate(sections):
        section = f"{view}-{place}"
        heads.append(
            {
                "uuid": section,
                "name": name,
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
            }
        )
        cards += [
            {
                "uuid": f"{section}-{number}",
                "metricSectionId": section,
                "deleted": False,
                "isGenerated": False,
                "runsCountToCompare": RUNS_SHOWN,
                **chart,
            }
            for number, chart in enumerate(charts)
        ]
    return heads, cards


# --- charts ---------------------------------------------------------------------------------


def _bar(name: str) -> State:
    return {"type": "BAR", "metricKey": key(name)}


def _line(title: str, *names: str) -> State:
    keys = [key(name) for name in names]
    return {
        "type": "LINE",
        "displayName": title,
        "metricKey": keys[0],
        "selectedMetricKeys": keys,
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _scatter(title: str, across: State, up: State) -> State:
    return {"type": "SCATTER", "displayName": title, "xaxis": across, "yaxis": up}


def _metric(name: str) -> State:
    return {"key": key(name), "type": "METRIC"}


def _parallel(params: Sequence[str], metrics: Sequence[str]) -> State:
    return {
        "type": "PARALLEL",
        "selectedParams": list(params),
        "selectedMetrics": [key(name) for name in metrics],
        "showAllRuns": False,
    }


def _leaderboard(result: ExperimentResult, baseline_run: str) -> list[tuple[str, list[State]]]:
    names = [f"test/{result.primary}", f"over_baseline/{result.primary}", "cost/seconds"]
    return [("Scores on test", [_bar(name) for name in names])]


def _curves(result: ExperimentResult, baseline_run: str) -> list[tuple[str, list[State]]]:
    right = "fraction_of_correct_next_step_preds"
    return [
        (
            "Validation",
            [
                _line(f"{result.primary} by checkpoint", f"validation/{result.primary}"),
                _line("Total loss, validation", "validation/total_loss"),
                _line("Correct next-step predictions, validation", f"validation/{right}"),
            ],
        ),
        (
            "Training",
            [
                _line("Total loss, train", "train/total_loss"),
                _line("Correct next-step predictions, train", f"train/{right}"),
            ],
        ),
    ]


def _coordinates(result: ExperimentResult, baseline_run: str) -> list[tuple[str, list[State]]]:
    metrics = [f"chosen/validation_{result.primary}", f"test/{result.primary}"]
    return [("What the knobs did", [_parallel(differing_params(result), metrics)])]


def _cost(result: ExperimentResult, baseline_run: str) -> list[tuple[str, list[State]]]:
    quality = _metric(f"test/{result.primary}")
    rows = {"key": "train_examples", "type": "PARAM"}
    return [
        (
            "Cost against quality",
            [
                _scatter("Seconds against score", _metric("cost/seconds"), quality),
                _scatter("Trained tokens against score", _metric("cost/train_tokens"), quality),
                _scatter("Training rows against score", rows, quality),
            ],
        )
    ]


def _difference(result: ExperimentResult, baseline_run: str) -> list[tuple[str, list[State]]]:
    table = {
        "type": "DIFFERENCE",
        "chartName": "Difference to the baseline",
        "compareGroups": ["Model metrics", "Parameters"],
        "showChangeFromBaseline": True,
        "showDifferencesOnly": True,
        "baselineColumnUuid": baseline_run,
    }
    return [("Difference to the baseline", [table, _bar(f"over_baseline/{result.primary}")])]


VIEWS = (
    View(LEADERBOARD, "Leaderboard", "", _leaderboard),
    View("curves", "Curves", "CHART", _curves, only_tuned=True),
    View("parallel", "Parallel coordinates", "CHART", _coordinates, only_tuned=True),
    View("cost", "Cost against quality", "CHART", _cost),
    View("baseline", "Difference to the baseline", "CHART", _difference),
)
"""In the order of the menu."""
