"""BLEU, chrF, chrF++ and TER by sacreBLEU: the one adapter that imports it.

One pass gives each row's statistics; corpus score, slices, resamples and sentence scores all
come from them through sacreBLEU's own formulas, so every number equals its `corpus_score`. The
statistics are reached by underscore methods; parity tests stand guard over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from runner.base.errors import ConfigError, Problem
from runner.base.scripts import has_unspaced, pieces
from runner.config import Bleu, Suite
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.tokenizers import bleu_tokenizer
from runner.records import EDITS, POINTS
from runner.statistics.measure import Measure

if TYPE_CHECKING:
    from runner.statistics.measure import Matrix

WIDTH = {"bleu": 10, "chrf": 18, "chrf++": 24, "ter": 2}
"""Numbers in one row's statistics."""

TER_SECONDS = 600.0
"""TER is refused above this estimate: its search for moved phrases grows with the fourth power
of the length (0.15 s for a pair of 60 words, 1.2 s for 100)."""
_TER_SECONDS_PER_WORD4 = 1.2e-8


def names(metric: Bleu, fields: Sequence[str]) -> list[str]:
    return list(metric.scores)


def measure(rows: Sequence[ScoredAnswer], metric: Bleu, suite: Suite) -> MetricResult:
    """Raises ConfigError when TER would take longer than `TER_SECONDS`."""
    if "ter" in metric.scores:
        _refuse_slow_ter(rows)
    tokenize = metric.tokenize
    if tokenize == "auto":
        tokenize = bleu_tokenizer(texts_of(rows))
    return MetricResult([_measure(_Score(name, tokenize), rows) for name in metric.scores])


@dataclass(frozen=True, slots=True)
class _Score:
    """One of sacreBLEU's scores; only ``bleu`` has a tokenizer to choose."""

    name: str
    tokenize: str

    def text(self, text: str) -> str:
        """What sacreBLEU is given. TER's words are what blanks separate: a sentence of a script
        without blanks would be one word, right or wrong as a whole."""
        return " ".join(pieces(text)) if self.name == "ter" and has_unspaced(text) else text


def _measure(score: _Score, rows: Sequence[ScoredAnswer]) -> Measure:
    import numpy as np

    statistics = np.zeros((len(rows), WIDTH[score.name]))
    for line, row in enumerate(rows):
        statistics[line] = _row_statistics(score, row)
    return Measure(
        score.name,
        statistics,
        _combine(score, effective_order=False),
        np.ones(len(rows), dtype=np.bool_),
        rows=_combine(score, effective_order=True)(statistics),
        signature=_signature(score, rows),
        scale=EDITS if score.name == "ter" else POINTS,
    )


def _row_statistics(score: _Score, row: ScoredAnswer) -> list[float]:
    scorer = _scorer(score, False)
    answer = scorer._preprocess_segment(score.text(row.text))
    found: list[float] = scorer._compute_segment_statistics(
        answer, _reference_info(score, row.references)
    )
    return found


@lru_cache(maxsize=1024)
def _reference_info(score: _Score, references: tuple[str, ...]) -> dict[str, Any]:
    """What sacreBLEU precomputes of a row's references: they come back with every checkpoint
    and arm. About 0.1 MB a row for chrF, hence the bound."""
    scorer = _scorer(score, False)
    lines = [scorer._preprocess_segment(score.text(text)) for text in references]
    info: dict[str, Any] = scorer._extract_reference_info(lines)
    return info


def _combine(score: _Score, effective_order: bool) -> Callable[[Matrix], Matrix]:
    """Sums (m, k) to scores (m,). Effective order keeps BLEU of one short row from being 0."""

    def combine(sums: Matrix) -> Matrix:
        import numpy as np

        scorer = _scorer(score, effective_order)
        scores = [scorer._compute_score_from_stats(line).score for line in sums.tolist()]
        return np.asarray(scores, dtype=np.float64)

    return combine


@cache
def _scorer(score: _Score, effective_order: bool) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    if score.name == "bleu":
        # `force` only silences a hint about texts that look tokenised.
        return BLEU(effective_order=effective_order, force=True, tokenize=score.tokenize)
    return TER() if score.name == "ter" else CHRF(word_order=2 if score.name == "chrf++" else 0)


def _signature(score: _Score, rows: Sequence[ScoredAnswer]) -> str:
    """sacreBLEU's own, e.g. ``nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0``."""
    # A copy, because arms may be scored in threads and the scorer is shared.
    scorer = copy(_scorer(score, False))
    counts = {len(row.references) for row in rows}
    # -1 is sacreBLEU's sign for a varying number; it writes ``nrefs:var``.
    scorer.num_refs = counts.pop() if len(counts) == 1 else -1
    by_letter = score.name == "ter" and any(map(has_unspaced, texts_of(rows)))
    return f"{scorer.get_signature()}{'|seg:char' if by_letter else ''}"


def bleu_words(text: str, tokenize: str) -> list[str]:
    """A text's words as BLEU counts them under a tokenizer of sacreBLEU."""
    return str(_scorer(_Score("bleu", tokenize), False)._preprocess_segment(text)).split()


def texts_of(rows: Sequence[ScoredAnswer]) -> Iterator[str]:
    """All references of all rows."""
    return (text for row in rows for text in row.references)


def _refuse_slow_ter(rows: Sequence[ScoredAnswer]) -> None:
    words = (
        max(len(pieces(row.text)), len(pieces(reference)))
        for row in rows
        for reference in row.references
    )
    seconds = sum(count**4 for count in words) * _TER_SECONDS_PER_WORD4
    if seconds > TER_SECONDS:
        message = f"ter would take about {seconds / 3600:.1f} hours on these texts"
        hint = "take ter out of suite.metrics; chrf ranks systems at least as well"
        raise ConfigError([Problem("suite.metrics", message, hint=hint)])


# One answer's BLEU and ROUGE as the libraries give them, for whoever stands in for a service that
# uses those. Scores of experiments come from `runner.evaluation.metrics`, with intervals.


def sentence_bleu(answer: str, reference: str) -> float:
    """sacreBLEU's sentence score, from 0 to 1."""
    import sacrebleu

    return float(sacrebleu.sentence_bleu(answer, [reference]).score) / 100


def rouge_f(answer: str, reference: str, kind: str = "rougeL", *, stem: bool = False) -> float:
    """rouge-score's F-measure of `kind` (``rouge1``, ``rougeL`` ...), from 0 to 1."""
    from rouge_score.rouge_scorer import RougeScorer

    return float(RougeScorer([kind], use_stemmer=stem).score(reference, answer)[kind].fmeasure)
