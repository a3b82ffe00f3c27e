"""Accuracy, micro, macro and weighted F1 over the labels that stand in the references.

A row with several acceptable labels counts for the one that was answered, else for its target.
An answer that is no label at all is a miss of the row's label and nobody's false positive. The
labels of a set of rows are those its rows count for: a label that a slice or a resample lost
leaves the averages, as ``sklearn.metrics.f1_score(labels=sorted(set(gold)))`` has it. With
``outside: as_sklearn`` the answers' labels count as well, as without its ``labels``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError, Problem
from runner.config import Classification, Suite
from runner.evaluation.extract import comparable
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.metrics.exact_match import rule
from runner.records import SHARE
from runner.statistics.measure import Measure, ratio, share_of

if TYPE_CHECKING:
    from runner.statistics.measure import Matrix

MAX_LABELS = 1000
"""More different targets than this are free text, and their table would fill the memory."""
MAX_TABLE = 100
"""Labels shown one by one, the most frequent ones."""


def names(metric: Classification, fields: Sequence[str]) -> list[str]:
    return ["accuracy", "micro_f1", "macro_f1", "weighted_f1"]


def measure(rows: Sequence[ScoredAnswer], metric: Classification, suite: Suite) -> MetricResult:
    gold, answers, shown = _labels(rows, suite)
    labels = sorted(set(gold))
    if metric.outside == "as_sklearn":
        labels = sorted({*gold, *(answer for answer in answers if answer is not None)})
    _refuse_free_text(labels, len(rows))
    seen = "references" if metric.outside == "miss" else "references+answers"
    signature = f"labels:{seen}|{rule(suite)}"
    averages = AVERAGES[metric.outside]
    correct = [float(label == answer) for label, answer in zip(gold, answers, strict=True)]
    statistics = _counts(gold, answers, labels)
    measures = [
        share_of("accuracy", correct, signature),
        *(_over_rows(name, statistics, combine, signature) for name, combine in averages),
    ]
    return MetricResult(measures, _table(gold, labels, shown, statistics, signature))


def _labels(
    rows: Sequence[ScoredAnswer], suite: Suite
) -> tuple[list[str], list[str | None], dict[str, str]]:
    """Each row's label and answer, normalised, and the labels as they were written."""
    gold: list[str] = []
    answers: list[str | None] = []
    shown: dict[str, str] = {}
    for row in rows:
        accepted = [comparable(text, suite) for text in row.references]
        answer = None if row.answer is None else comparable(row.answer, suite)
        gold.append(answer if answer is not None and answer in accepted else accepted[0])
        answers.append(answer)
        for label, text in zip(accepted, row.references, strict=True):
            # The smallest spelling, so that the order of the rows does not show.
            shown[label] = min(text.strip(), shown.get(label, text.strip()))
    return gold, answers, shown


def _refuse_free_text(labels: list[str], count: int) -> None:
    if len(labels) > MAX_LABELS:
        message = f"classification over {len(labels)} different targets in {count} rows"
        hint = "targets that are free text want exact_match, token_f1 or rouge"
        raise ConfigError([Problem("suite.metrics", message, hint=hint)])


def _counts(gold: list[str], answers: list[str | None], labels: list[str]) -> Matrix:
    """(n, 3L): true positives, false positives and misses of each row, by label."""
    import numpy as np

    column = {label: index for index, label in enumerate(labels)}
    size = len(labels)
    out = np.zeros((len(gold), 3 * size))
    for line, (label, answer) in enumerate(zip(gold, answers, strict=True)):
        if label == answer:
            out[line, column[label]] = 1
            continue
        out[line, 2 * size + column[label]] = 1
        if answer in column:
            out[line, size + column[answer]] = 1
    return out


def _split(sums: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    size = sums.shape[1] // 3
    return sums[:, :size], sums[:, size : 2 * size], sums[:, 2 * size :]


def _micro(sums: Matrix) -> Matrix:
    hits, false, missed = _split(sums)
    present = hits + missed > 0
    agreed = 2 * hits.sum(axis=1)
    return ratio(agreed, agreed + (false * present).sum(axis=1) + missed.sum(axis=1))


def _macro(sums: Matrix) -> Matrix:
    hits, false, missed = _split(sums)
    present = hits + missed > 0
    f1 = ratio(2 * hits, 2 * hits + false + missed)
    f1[~present] = 0.0
    return ratio(f1.sum(axis=1), present.sum(axis=1))


def _micro_of_all(sums: Matrix) -> Matrix:
    hits, false, missed = (part.sum(axis=1) for part in _split(sums))
    return ratio(2 * hits, 2 * hits + false + missed)


def _macro_of_all(sums: Matrix) -> Matrix:
    hits, false, missed = _split(sums)
    present = hits + false + missed > 0
    f1 = ratio(2 * hits, 2 * hits + false + missed)
    f1[~present] = 0.0
    return ratio(f1.sum(axis=1), present.sum(axis=1))


def _weighted(sums: Matrix) -> Matrix:
    hits, false, missed = _split(sums)
    support = hits + missed
    f1 = ratio(2 * hits, 2 * hits + false + missed)
    f1[support == 0] = 0.0
    return ratio((f1 * support).sum(axis=1), support.sum(axis=1))


AVERAGES: dict[str, tuple[tuple[str, Callable[[Matrix], Matrix]], ...]] = {
    "miss": (("micro_f1", _micro), ("macro_f1", _macro), ("weighted_f1", _weighted)),
    "as_sklearn": (
        ("micro_f1", _micro_of_all),
        ("macro_f1", _macro_of_all),
        ("weighted_f1", _weighted),
    ),
}
"""The averages over labels, by what an answer outside the references' labels is."""


def _over_rows(
    name: str, statistics: Matrix, combine: Callable[[Matrix], Matrix], signature: str
) -> Measure:
    import numpy as np

    everyone = np.ones(len(statistics), dtype=np.bool_)
    return Measure(name, statistics, combine, everyone, signature=signature, scale=SHARE)


def _table(
    gold: list[str], labels: list[str], shown: dict[str, str], statistics: Matrix, signature: str
) -> dict[str, list[Measure]]:
    """Precision, recall and F1 of each label; `n` counts the rows that have the label."""
    import numpy as np

    size = len(labels)
    column = {label: index for index, label in enumerate(labels)}
    own = np.asarray(gold, dtype=object)
    frequent = sorted(Counter(gold).items(), key=lambda item: (-item[1], item[0]))[:MAX_TABLE]
    tables = {}
    for label, _ in frequent:
        index = column[label]
        part = statistics[:, [index, size + index, 2 * size + index]]
        has = np.asarray(own == label, dtype=np.bool_)
        tables[f"label={shown[label]}"] = [
            Measure(name, part, combine, has, signature=signature, scale=SHARE)
            for name, combine in (("f1", _macro), ("precision", _precision), ("recall", _recall))
        ]
    return tables


def _precision(sums: Matrix) -> Matrix:
    hits, false, _ = _split(sums)
    return ratio(hits, hits + false)[:, 0]


def _recall(sums: Matrix) -> Matrix:
    hits, _, missed = _split(sums)
    return ratio(hits, hits + missed)[:, 0]
