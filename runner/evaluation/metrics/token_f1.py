"""Token F1 as in SQuAD: the overlap of answer and reference as bags of words.

Source: the official SQuAD v2.0 evaluation script. Two empty texts agree (F1 1), an empty text
and a full one do not (0), and empty references do not count beside others; v1.1 counts every
reference and gives two empty texts 0. Words are what blanks separate after the
suite's normalisation; SQuAD's own is ``[lower, ascii_punctuation, articles, whitespace]``. Letters
of scripts without blanks are words of their own, as in the official evaluation of MLQA for Chinese
(`runner.base.scripts.pieces`), and the signature says so (``seg:char``).
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.base.scripts import has_unspaced, pieces
from runner.config import Suite, TokenF1
from runner.evaluation.extract import comparable
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.metrics.exact_match import accepted, rule
from runner.records import SHARE
from runner.statistics.measure import mean_of


def names(metric: TokenF1, fields: Sequence[str]) -> list[str]:
    return ["token_f1"]


def measure(rows: Sequence[ScoredAnswer], metric: TokenF1, suite: Suite) -> MetricResult:
    values = [_best(row, suite, metric.squad) for row in rows]
    by_letter = any(has_unspaced(text) for row in rows for text in row.references)
    signature = f"squad:{metric.squad}|{rule(suite)}{'|seg:char' if by_letter else ''}"
    return MetricResult([mean_of("token_f1", values, signature=signature, scale=SHARE)])


def _best(row: ScoredAnswer, suite: Suite, squad: str) -> float:
    """The best F1 over the references; nothing extracted is a wrong answer."""
    if row.answer is None:
        return 0.0
    given, references = comparable(row.answer, suite), accepted(row, suite, squad)
    answer = pieces(given)
    if answer and given in references:
        return 1.0
    return max(_f1(answer, pieces(text), squad) for text in references)


def _f1(answer: list[str], reference: list[str], squad: str) -> float:
    if not answer or not reference:
        return float(answer == reference and squad == "v2.0")
    # Not with `Counter`, which takes three times as long for a short text.
    left: dict[str, int] = {}
    for word in reference:
        left[word] = left.get(word, 0) + 1
    shared = 0
    for word in answer:
        if left.get(word):
            left[word] -= 1
            shared += 1
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(reference)
    return 2 * precision * recall / (precision + recall)
