"""Saved views of MLflow's experiment page, as experiment tags.

MLflow 3.17 keeps a saved view as the tag ``mlflow.sharedViewState.<key>`` whose value is JSON:
``name``, ``createdAt``, ``updatedAt`` and ``state``, the page's state as ``deflate;`` + base64 of
zlib-compressed JSON. That form is read from MLflow's own pages, not documented: a test pins it,
and whoever writes these tags must not mind when they do nothing.
"""

from __future__ import annotations

import base64
import colorsys
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runner.base.digests import digest_of
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.tracking.arm_run import arm_params
from runner.tracking.facts import key
from runner.tracking.ui import LEADERBOARD

TAG = "mlflow.sharedViewState."
RUNS_SHOWN = 20
"""Runs a chart draws; MLflow's own choice of 10 hides arms of a middling sweep."""

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChartSection:
    """Charts under one heading, `across` in a row of `height` pixels."""

    name: str
    charts: list[State]
    across: int = 2
    height: int = 360


@dataclass(frozen=True, slots=True)
class SavedView:
    """One saved view: its key in links, its name in the menu, the mode its link opens."""

    key: str
    name: str
    mode: str
    charts: Callable[[ExperimentResult, str], list[ChartSection]]
    """Sections of charts, given the result and the run id of the baseline."""
    only_tuned: bool = False
    all_sweeps: bool = False
    """Also the arms of earlier forms of the experiment, not only of the one synced last."""


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


def _state(view: SavedView, result: ExperimentResult, baseline_run: str) -> State:
    columns = _columns(result)
    sections, charts = _laid_out(view.key, view.charts(result, baseline_run))
    kind = "= 'tuning'" if view.only_tuned else "!= 'sweep'"
    sweep = "" if view.all_sweeps else f" and tags.`sweep.id` = '{result.digest}'"
    return {
        # Without a filter the page shows the parent only and keeps its arms folded.
        "searchFilter": f"tags.`run.kind` {kind}{sweep}",
        "orderByKey": f"metrics.`{key(f'test/{result.primary}')}`",
        "orderByAsc": not result.scale.higher_is_better,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        # Without an order the page sorts columns by name, the primary score among the last.
        "columnOrder": ["attributes.`Run Name`", *columns, "runDateAndNestInfo", "duration"],
        "columnWidths": {"attributes.`Run Name`": 220} | {name: _width(name) for name in columns},
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
        f"gain/{primary}",
        "gain/p_holm",
        f"test/{primary}_low",
        f"test/{primary}_high",
        f"chosen/validation_{primary}",
        *_costs(result),
    ]
    columns = [f"metrics.`{key(name)}`" for name in metrics]
    return columns + [f"params.`{name}`" for name in differing_params(result)]


def _costs(result: ExperimentResult) -> list[str]:
    """The metrics of cost that this experiment has: dollars before seconds."""
    return ["cost/usd", "cost/seconds"] if result.usd is not None else ["cost/seconds"]


def _width(column: str) -> int:
    """Pixels that show the whole heading, with room for its sort arrow."""
    return 45 + 7 * len(column.split("`")[1])


def differing_params(result: ExperimentResult) -> list[str]:
    """Params that do not have one value in all tuned arms; of several that vary together the
    first stands for all. Without any, the number of training rows."""
    tuned = [arm_params(arm) for arm in result.arms if arm.kind == "tuned"]
    names = dict.fromkeys(name for params in tuned for name in params)
    patterns: dict[tuple[str | None, ...], str] = {}
    for name in names:
        values = tuple(params.get(name) for params in tuned)
        if len(set(values)) > 1:
            patterns.setdefault(values, name)
    return list(patterns.values()) or [name for name in names if name == "train_examples"]


def baseline_arm(result: ExperimentResult) -> str:
    """Digest of the arm the tuned ones are held against, else of the first untuned one."""
    against = [arm.baseline for arm in result.arms if arm.baseline]
    untuned = [arm.digest for arm in result.arms if arm.kind != "tuned"]
    return next(iter([*against, *untuned]), "")


def _laid_out(view: str, sections: Sequence[ChartSection]) -> tuple[list[State], list[State]]:
    """Sections and charts with the ids that tie them together."""
    heads, cards = [], []
    for place, section in enumerate(sections):
        identity = f"{view}-{place}"
        heads.append(
            {
                "uuid": identity,
                "name": section.name,
                "columns": section.across,
                "cardHeight": section.height,
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
            }
        )
        cards += [
            {
                "uuid": f"{identity}-{number}",
                "metricSectionId": identity,
                "deleted": False,
                "isGenerated": False,
                "runsCountToCompare": RUNS_SHOWN,
                **chart,
            }
            for number, chart in enumerate(section.charts)
        ]
    return heads, cards


# --- charts ---------------------------------------------------------------------------------


def _bar(name: str) -> State:
    return {"type": "BAR", "metricKey": key(name)}


def _line(name: str) -> State:
    return {
        "type": "LINE",
        "metricKey": key(name),
        "selectedMetricKeys": [key(name)],
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


def _scatter(across: State, up: State) -> State:
    return {"type": "SCATTER", "xaxis": across, "yaxis": up}


def _metric(name: str) -> State:
    return {"key": key(name), "type": "METRIC"}


def _parallel(params: Sequence[str], metrics: Sequence[str]) -> State:
    return {
        "type": "PARALLEL",
        "selectedParams": list(params),
        "selectedMetrics": [key(name) for name in metrics],
        "showAllRuns": False,
    }


def _leaderboard(result: ExperimentResult, baseline_run: str) -> list[ChartSection]:
    names = [f"test/{result.primary}", f"gain/{result.primary}", *_costs(result)]
    return [ChartSection("Scores on test", [_bar(name) for name in names])]


def _curves(result: ExperimentResult, baseline_run: str) -> list[ChartSection]:
    right = "fraction_of_correct_next_step_preds"
    return [
        ChartSection("Loss", [_line("validation/total_loss"), _line("train/total_loss")]),
        ChartSection("Score by checkpoint", [_line(f"validation/{result.primary}")]),
        ChartSection(
            "Correct next-step predictions",
            [_line(f"validation/{right}"), _line(f"train/{right}")],
        ),
    ]


def _coordinates(result: ExperimentResult, baseline_run: str) -> list[ChartSection]:
    metrics = [f"chosen/validation_{result.primary}", f"test/{result.primary}"]
    chart = _parallel(differing_params(result), metrics)
    return [ChartSection("What the knobs did", [chart], across=1, height=340)]


def _cost(result: ExperimentResult, baseline_run: str) -> list[ChartSection]:
    quality = _metric(f"test/{result.primary}")
    rows = {"key": "train_examples", "type": "PARAM"}
    costs = [*map(_metric, _costs(result)), rows, _metric("cost/train_tokens")]
    charts = [_scatter(cost, quality) for cost in costs]
    return [ChartSection("Cost against quality", charts)]


def _difference(result: ExperimentResult, baseline_run: str) -> list[ChartSection]:
    table = {
        "type": "DIFFERENCE",
        "chartName": "Difference to the baseline",
        "compareGroups": ["Model metrics", "Parameters"],
        "showChangeFromBaseline": True,
        "showDifferencesOnly": True,
        "baselineColumnUuid": baseline_run,
    }
    bars = [_bar(f"gain/{result.primary}"), _bar(f"test/{result.primary}")]
    return [
        ChartSection("Paired difference on test, and the scores", bars),
        ChartSection("Everything that differs", [table], across=1, height=480),
    ]


VIEWS = (
    SavedView(LEADERBOARD, "Leaderboard", "", _leaderboard),
    SavedView("curves", "Curves", "CHART", _curves, only_tuned=True),
    SavedView("parallel", "Parallel coordinates", "CHART", _coordinates, only_tuned=True),
    SavedView("cost", "Cost against quality", "CHART", _cost),
    SavedView("baseline", "Difference to the baseline", "CHART", _difference),
    SavedView("sweeps", "Leaderboard of all sweeps", "", _leaderboard, all_sweeps=True),
)
"""In the order of the menu."""

# Run colours: one hue per data treatment, shades of it for arms on the same data, greys for the
# untuned model. The same experiment always gets the same colours.

BASELINES = ("#5f6368", "#9aa0a6", "#bdc1c6")
HUES = 12
"""Places on the colour wheel; the first ones taken go by the treatment's digest, so the same
data keeps its colour from sweep to sweep."""
SHADES = (0.42, 0.60, 0.30, 0.72)


def treatment(arm: ArmResult) -> str:
    """Digest of what the arm was shown: source, preparation and template."""
    return digest_of({part: arm.config.get(part) for part in ("source", "prepare", "template")})


def colours(arms: Sequence[ArmResult]) -> dict[str, str]:
    """Arm digest to ``#rrggbb``."""
    hues = _hues({treatment(arm) for arm in arms if arm.kind == "tuned"})
    chosen: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for arm in arms:
        data = treatment(arm) if arm.kind == "tuned" else ""
        rank = ranks[data] = ranks.get(data, -1) + 1
        if data:
            chosen[arm.digest] = _hex(hues[data], SHADES[rank % len(SHADES)])
        else:
            chosen[arm.digest] = BASELINES[rank % len(BASELINES)]
    return chosen


def _hues(treatments: set[str]) -> dict[str, float]:
    """A hue for each: the place its digest wishes for, or the next one around the wheel that
    is free and not beside a taken one, as far as there is room."""
    taken: list[int] = []
    hues: dict[str, float] = {}
    apart = min(HUES // 4, HUES // max(1, len(treatments)))
    for digest in sorted(treatments):
        wish = int(digest[:8], 16) % HUES
        places = [(wish + offset) % HUES for offset in range(HUES)]
        place = max(places, key=lambda spot: min(apart, _nearest(spot, taken)))
        taken.append(place)
        hues[digest] = place / HUES
    return hues


def _nearest(spot: int, taken: list[int]) -> int:
    """Steps around the wheel to the nearest taken place."""
    return min((min((spot - other) % HUES, (other - spot) % HUES) for other in taken), default=HUES)


def _hex(hue: float, lightness: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
