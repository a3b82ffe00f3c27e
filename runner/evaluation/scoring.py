"""Scores of one set of predictions: overall, by slice, by row, each with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.config import Metric, PluginMetric, Suite
from runner.evaluation.extract import answer_of, reading, rows_of
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.suite import check_suite, kind_of, reference_fields
from runner.evaluation.tokenizers import settled
from runner.records import Example, Prediction, ScoredRow
from runner.records.results import Score, Scores
from runner.statistics.intervals import intervals
from runner.statistics.measure import Measure, group_ids, value_of, with_worst

if TYPE_CHECKING:
    from runner.statistics.measure import Ids, Mask

SCORE_VERSION = "4"
"""Raised when the same answers would be scored differently; part of every score's digest."""
NOT_SCORED = {"name", "generation", "max_unanswered", "margin", "not_worse", "row_tolerance"}
NOT_SCORED |= {"checkpoint", "sealed", "looks"}
"""What of a suite changes no score."""


def score(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    suite: Suite,
    split: str,
    seed: int,
) -> tuple[Scores, list[ScoredRow]]:
    """Score answers by a suite: the scores, and one row an example, in their order.

    A row without a usable answer counts with the worst value there is, or, where the suite
    compares on `common` rows, is left out; `Scores.unanswered` counts such rows by cause either
    way. Scores do not depend on the order of the rows. Each says its interval's `method`
    (`runner.statistics.intervals`), which goes by group where rows have groups. A set of fewer
    than `suite.slice_min` rows gets none as a slice. No rows give nan with ``n=0``.

    Raises ConfigError for a suite that cannot work, DataError for targets it cannot compare
    with, ValueError when predictions and examples do not belong together.
    """
    rows = rows_of(examples, predictions, suite)
    suite = settled(suite, references_of(rows))
    counted, measured = _measured(rows, counted_rows(rows, suite), suite)
    own = _row_scores(counted, measured.measures)
    scores = _scores_of(rows, counted, measured, suite, split, seed)
    return scores, [replace(row, scores=own.get(row.id, {})) for row in rows]


def score_among(
    rows: Sequence[ScoredRow], ids: Collection[str], suite: Suite, split: str, seed: int
) -> Scores:
    """The scores of rows that `score` gave, over those of them that have one of these ids: what
    one of several candidates has on the rows that all of them are compared on. All `rows`, not
    only those with these ids, decide on a tokenizer that the suite leaves open."""
    suite = settled(suite, references_of(rows))
    counted, measured = _measured(rows, ids, suite)
    return _scores_of(rows, counted, measured, suite, split, seed)


def _measured(
    rows: Sequence[ScoredRow], ids: Collection[str], suite: Suite
) -> tuple[list[ScoredRow], MetricResult]:
    """The counted rows, in one order for all, so that resampling gives the same interval for the
    same rows; and what the suite's metrics make of them."""
    counted = sorted(only(rows, ids), key=lambda row: row.id)
    return counted, measure_all(counted, suite)


def _scores_of(
    rows: Sequence[ScoredRow],
    counted: Sequence[ScoredRow],
    measured: MetricResult,
    suite: Suite,
    split: str,
    seed: int,
) -> Scores:
    groups = group_ids([row.group for row in counted])
    overall, tables = _overall(measured, groups, suite, seed)
    for name, by_name in _slices(rows, counted, groups, measured.measures, suite, seed).items():
        tables[name] = {**by_name, **tables.get(name, {})}
    return Scores(
        split=split,
        rows=len(rows),
        unanswered=dict(Counter(row.unanswered for row in rows if row.unanswered).most_common()),
        overall=overall,
        slices=dict(sorted(tables.items())),
    )


def references_of(rows: Iterable[ScoredRow]) -> list[str]:
    """The targets and references of all rows."""
    return [text for row in rows for text in (row.target, *row.references)]


def measure_all(rows: Sequence[ScoredRow], suite: Suite) -> MetricResult:
    """Every score of the suite over the rows. Raises ConfigError when the suite cannot work."""
    answers = [answer_of(row, suite) for row in rows]
    check_suite(suite, reference_fields(answers, suite))
    found = [measured_by(metric, rows, answers, suite) for metric in suite.metrics]
    return MetricResult(
        [measure for part in found for measure in part.measures],
        {name: table for part in found for name, table in part.tables.items()},
    )


def measured_by(
    metric: Metric, rows: Sequence[ScoredRow], answers: Sequence[ScoredAnswer], suite: Suite
) -> MetricResult:
    """What one metric makes of the rows, those without a usable answer at their worst. The
    metrics of this package see to that themselves; a plug-in need not. Signatures say how
    answers were read where the suite departs from the default."""
    import numpy as np

    found = _signed(kind_of(metric).measure(answers, metric, suite), reading(suite))
    if not isinstance(metric, PluginMetric):
        return found
    unanswered = np.asarray([bool(row.unanswered) for row in rows], dtype=np.bool_)
    return replace(found, measures=[with_worst(item, unanswered) for item in found.measures])


def _signed(found: MetricResult, reading: str) -> MetricResult:
    if not reading:
        return found

    def signed(measures: Iterable[Measure]) -> list[Measure]:
        return [
            replace(item, signature="|".join(filter(None, (item.signature, reading))))
            for item in measures
        ]

    tables = {name: signed(table) for name, table in found.tables.items()}
    return MetricResult(signed(found.measures), tables)


def _row_scores(
    rows: Sequence[ScoredRow], measures: Iterable[Measure]
) -> dict[str, dict[str, float]]:
    """Defined scores of each row by its id; JSON has no nan."""
    found: dict[str, dict[str, float]] = {row.id: {} for row in rows}
    for item in measures:
        if item.rows is None:
            continue
        for row, value in zip(rows, item.rows.tolist(), strict=True):
            if value == value:
                found[row.id][item.name] = value
    return found


def _overall(
    measured: MetricResult, groups: Ids, suite: Suite, seed: int
) -> tuple[dict[str, Score], dict[str, dict[str, Score]]]:
    """The suite's scores over all rows, and the metrics' own tables, from one resampling."""
    import numpy as np

    everyone = np.ones(len(groups), dtype=np.bool_)
    shown = [(name, item) for name, table in measured.tables.items() for item in table]
    measures = [*measured.measures, *(item for _, item in shown)]
    scores = _scores(measures, everyone, groups, suite, seed, minimum=1)
    overall = {item.name: scores[index] for index, item in enumerate(measured.measures)}
    tables: dict[str, dict[str, Score]] = {}
    for (name, item), found in zip(shown, scores[len(measured.measures) :], strict=True):
        if found.n < suite.slice_min:
            found = found.model_copy(
                update={"low": float("nan"), "high": float("nan"), "method": "", "groups": 0}
            )
        tables.setdefault(name, {})[item.name] = found
    return overall, tables


def _slices(
    rows: Sequence[ScoredRow],
    counted: Sequence[ScoredRow],
    groups: Ids,
    measures: Sequence[Measure],
    suite: Suite,
    seed: int,
) -> dict[str, dict[str, Score]]:
    """Scores of every ``key=label``; a slice of which no row counts is listed with ``n=0``."""
    import numpy as np

    members: dict[str, list[int]] = {
        f"{key}={label}": [] for row in rows for key, label in row.slices.items()
    }
    for index, row in enumerate(counted):
        for key, label in row.slices.items():
            members[f"{key}={label}"].append(index)
    found = {}
    for name, indices in members.items():
        picked = np.zeros(len(counted), dtype=np.bool_)
        picked[indices] = True
        scores = _scores(measures, picked, groups, suite, seed, minimum=suite.slice_min)
        found[name] = {item.name: score for item, score in zip(measures, scores, strict=True)}
    return found


def _scores(
    measures: Sequence[Measure], picked: Mask, groups: Ids, suite: Suite, seed: int, minimum: int
) -> list[Score]:
    """One score a measure over the picked rows; no interval below `minimum` rows."""
    pairs = [value_of(measure, picked) for measure in measures]
    values = [value if count >= minimum else float("nan") for value, count in pairs]
    limits = intervals(measures, values, picked, suite.bootstrap, seed, groups=groups)
    return [
        Score(
            value=value,
            low=found.low,
            high=found.high,
            method=found.method,
            groups=found.groups,
            n=count,
            signature=measure.signature,
            scale=measure.scale,
        )
        for measure, (value, count), found in zip(measures, pairs, limits, strict=True)
    ]


# Which rows candidates are compared on: a score says who is better only on the same rows.
#
# Leaving out the rows that a candidate did not answer is a gift to it where those are the hard
# ones. So either such a row counts as wrong (`suite.unanswered: wrong`), or it is left out for
# everybody (`common`).


def counted_rows(rows: Sequence[ScoredRow], suite: Suite) -> set[str]:
    """Ids of the rows that make up a candidate's own scores."""
    return {row.id for row in rows if suite.unanswered == "wrong" or not row.unanswered}


def shared_rows(candidates: Sequence[Sequence[ScoredRow]], suite: Suite) -> set[str]:
    """Ids of the rows that all candidates are compared on."""
    counted = [counted_rows(rows, suite) for rows in candidates]
    return set.intersection(*counted) if counted else set()


def only(rows: Sequence[ScoredRow], ids: Collection[str]) -> list[ScoredRow]:
    """The rows with these ids, in their order."""
    return [row for row in rows if row.id in ids]
