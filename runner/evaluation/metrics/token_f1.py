"""Token F1 as in SQuAD: the overlap of answer and reference as bags of words.

Source: the official SQuAD v2.0 evaluation script. Two empty texts agree (F1 1), an empty text
and a full one do not (0); v1.1 gives 0 in both cases. Words are what blanks separate after the
suite's normalisation; SQuAD's own is ``[case, punctuation, articles, whitespace]``. Letters of
scripts without blanks are words of their own, as in the official evaluation of MLQA for Chinese
(`runner.base.scripts.pieces`), and the signature says so (``seg:char``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runner.base.scripts import has_unspaced, pieces
from runner.config import Suite, TokenF1
from runner.evaluation.extract import comparable
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.metrics.exact_match import rule
from runner.records import SHARE
from runner.statistics.measure import mean_of


def names(metric: TokenF1, fields: Sequence[str]) -> list[str]:
    return ["token_f1"]


def measure(rows: Sequence[ScoredAnswer], metric: TokenF1, suite: Suite) -> MetricResult:
    values = [_best(row, suite) for row in rows]
    by_letter = any(has_unspaced(text) for row in rows for text in row.references)
    signature = f"squad:v2.0|{rule(suite)}{'|seg:char' if by_letter else ''}"
    return MetricResult([mean_of("token_f1", values, signature=signature, scale=SHARE)])


def _best(row: ScoredAnswer, suite: Suite) -> float:
    """The best F1 over the references; nothing extracted is a wrong answer."""
    if row.answer is None:
        return 0.0
    answer = pieces(comparable(row.answer, suite))
    return max(_f1(answer, pieces(comparable(text, suite))) for text in row.references)


def _f1(answer: list[str], reference: list[str]) -> float:
    if not answer or not reference:
        return float(answer == reference)
    shared = (Counter(answer) & Counter(reference)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(reference)
    return 2 * precision * recall / (precision + recall)
