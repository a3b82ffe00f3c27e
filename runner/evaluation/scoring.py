"""Scores of one set of predictions: overall, by slice, by row, each with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from runner.config import Suite
from runner.evaluation.intervals import intervals
from runner.evaluation.measure import Judged, Measure, Measured, value_of
from runner.evaluation.names import check_suite, reference_fields
from runner.evaluation.registry import kind_of
from runner.evaluation.rows import judged, rows_of
from runner.records import Example, Prediction
from runner.results import Score, Scores

if TYPE_CHECKING:
    from runner.evaluation.measure import Mask

SCORE_VERSION = "1"
"""Raised when the same answers would be scored differently; part of every score's digest."""


def score(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    suite: Suite,
    split: str,
    seed: int,
) -> tuple[Scores, list[dict[str, Any]]]:
    """Score answers by a suite: the scores, and one row an example ready for JSONL.

    Rows without an answer (`Prediction.error`) are counted in `Scores.errors` and left out of
    every score. Scores do not depend on the order of the rows. Intervals: Wilson for shares of
    0/1 rows, else a percentile bootstrap over rows. A set of fewer than `suite.slice_min` rows
    gets none as a slice. No rows give nan with ``n=0``.

    Raises ConfigError for a suite that cannot work, DataError for targets it cannot judge by,
    ValueError when predictions and examples do not belong together.
    """
    rows = rows_of(examples, predictions, suite)
    # One order for all, so that resampling gives the same interval for the same rows.
    answered = sorted((row for row in rows if not row["error"]), key=lambda row: str(row["id"]))
    measured = measure_all([judged(row, suite) for row in answered], suite)
    for index, row in enumerate(answered):
        row["scores"] = _row_scores(measured.measures, index)
    overall, tables = _overall(measured, len(answered), suite, seed)
    for name, by_name in _slices(rows, answered, measured.measures, suite, seed).items():
        tables[name] = {**by_name, **tables.get(name, {})}
    scores = Scores(
        split=split,
        rows=len(rows),
        errors=len(rows) - len(answered),
        overall=overall,
        slices=dict(sorted(tables.items())),
    )
    return scores, rows


def measure_all(rows: Sequence[Judged], suite: Suite) -> Measured:
    """Every score of the suite over the rows. Raises ConfigError when the suite cannot work."""
    check_suite(suite, reference_fields(rows, suite))
    found = [kind_of(metric).measure(rows, metric, suite) for metric in suite.metrics]
    return Measured(
        [measure for part in found for measure in part.measures],
        {name: table for part in found for name, table in part.tables.items()},
    )


def _row_scores(measures: Iterable[Measure], index: int) -> dict[str, float]:
    """Defined scores of one row; JSON has no nan."""
    found = {item.name: float(item.rows[index]) for item in measures if item.rows is not None}
    return {name: value for name, value in found.items() if value == value}


def _overall(
    measured: Measured, count: int, suite: Suite, seed: int
) -> tuple[dict[str, Score], dict[str, dict[str, Score]]]:
    """The suite's scores over all rows, and the metrics' own tables, from one resampling."""
    import numpy as np

    everyone = np.ones(count, dtype=np.bool_)
    shown = [(name, item) for name, table in measured.tables.items() for item in table]
    measures = [*measured.measures, *(item for _, item in shown)]
    scores = _scores(measures, everyone, suite, seed, minimum=1)
    overall = {item.name: scores[index] for index, item in enumerate(measured.measures)}
    tables: dict[str, dict[str, Score]] = {}
    for (name, item), found in zip(shown, scores[len(measured.measures) :], strict=True):
        if found.n < suite.slice_min:
            found = found.model_copy(update={"low": float("nan"), "high": float("nan")})
        tables.setdefault(name, {})[item.name] = found
    return overall, tables


def _slices(
    rows: Sequence[dict[str, Any]],
    answered: Sequence[dict[str, Any]],
    measures: Sequence[Measure],
    suite: Suite,
    seed: int,
) -> dict[str, dict[str, Score]]:
    """Scores of every ``key=label``; a slice whose rows all failed is listed with ``n=0``."""
    import numpy as np

    members: dict[str, list[int]] = {
        f"{key}={label}": [] for row in rows for key, label in row["slices"].items()
    }
    for index, row in enumerate(answered):
        for key, label in row["slices"].items():
            members[f"{key}={label}"].append(index)
    found = {}
    for name, indices in members.items():
        picked = np.zeros(len(answered), dtype=np.bool_)
        picked[indices] = True
        scores = _scores(measures, picked, suite, seed, minimum=suite.slice_min)
        found[name] = {item.name: score for item, score in zip(measures, scores, strict=True)}
    return found


def _scores(
    measures: Sequence[Measure], picked: Mask, suite: Suite, seed: int, minimum: int
) -> list[Score]:
    """One score a measure over the picked rows; no interval below `minimum` rows."""
    pairs = [value_of(measure, picked) for measure in measures]
    values = [value if count >= minimum else float("nan") for value, count in pairs]
    limits = intervals(measures, values, picked, suite.bootstrap, seed)
    return [
        Score(value=value, low=low, high=high, n=count, signature=measure.signature)
        for measure, (value, count), (low, high) in zip(measures, pairs, limits, strict=True)
    ]
