"""The references scored against themselves, before anything is paid: a right answer must get the
best score there is. A metric that does not give it has the wrong tokenizer, extraction or
normalisation for these texts, and would rank arms by noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.base.errors import Problem, SftError
from runner.base.scripts import letters_by_script, unspaced_letters
from runner.config import (
    Bleu,
    Classification,
    Constraints,
    ExactMatch,
    Metric,
    Rouge,
    Suite,
    TokenF1,
)
from runner.evaluation.extract import answer_of, comparable, rows_of
from runner.evaluation.metrics.corpus import bleu_words
from runner.evaluation.metrics.rouge import tokens
from runner.evaluation.scoring import measured_by
from runner.evaluation.tokenizers import LEAST, settled
from runner.records import Example, Prediction, ScoredRow
from runner.statistics.measure import value_of

if TYPE_CHECKING:
    from runner.statistics.measure import Measure

MOST = 2000
"""So many references at most, spread evenly over the rows: what is wrong with a metric shows in
these, and all of a large split would take as long as scoring it."""
SHORT = 80
"""Characters of a reference that are shown."""
KEY = "suite.metrics"
BY_WORDS = ("13a", "intl", "none", "zh", "ko-mecab")
"""Tokenizers that leave some script without blanks whole; the others split each of them."""


@dataclass(frozen=True, slots=True)
class SelfScore:
    """What came of scoring the references against themselves."""

    refused: tuple[Problem, ...] = ()
    """Metrics to which right answers are as bad as wrong ones, so that no score means anything."""
    warned: tuple[Problem, ...] = ()
    """Where some right answers are not scored as such."""


def self_score(examples: Sequence[Example], suite: Suite, split: str = "") -> SelfScore:
    """Score every reference as the answer to its own row; `split` is where problems say they are.
    Raises DataError for targets that have no JSON where the suite asks for it."""
    texts = [text for each in examples for text in (each.target, *each.references)]
    if not texts:
        return SelfScore()
    suite = settled(suite, texts)
    rows = _answered_right(examples, suite)
    refused: list[Problem] = []
    warned = list(_emptied(rows, suite))
    # A row's conditions are no answer to it.
    for metric in (each for each in suite.metrics if not isinstance(each, Constraints)):
        for found, at_worst in _of_metric(metric, rows, suite):
            (refused if at_worst else warned).append(found)
    refused, warned = (
        [replace(each, where=split) for each in found] for found in (refused, warned)
    )
    return SelfScore(tuple(refused), tuple(warned))


def _answered_right(examples: Sequence[Example], suite: Suite) -> list[ScoredRow]:
    """A row for each reference, with that reference as its answer and its only target: the mean
    over several references is below the best for a right answer, too."""
    pairs = [(each, text) for each in examples for text in (each.target, *each.references)]
    step = -(-len(pairs) // MOST)
    alone = [
        replace(each, id=str(number), target=text, references=())
        for number, (each, text) in enumerate(pairs[::step])
    ]
    return rows_of(alone, [Prediction(each.id, each.target) for each in alone], suite)


def _of_metric(
    metric: Metric, rows: Sequence[ScoredRow], suite: Suite
) -> Iterator[tuple[Problem, bool]]:
    """What is wrong with a metric, and whether it is at its worst for right answers."""
    answers = [answer_of(row, suite) for row in rows]
    try:
        measures = measured_by(metric, rows, answers, suite).measures
    except SftError as error:
        yield Problem(KEY, str(error)), True
        return
    low = {item.name: value for item in measures if (value := _short_of_best(item)) is not None}
    if isinstance(metric, Bleu) and not low:
        yield from ((each, False) for each in _unsegmented(metric, rows))
    for item in measures:
        if item.name not in low:
            continue
        value = low[item.name]
        yield _problem(metric, item, value, rows, suite), _useless(item, value, suite)


def _useless(measure: Measure, value: float, suite: Suite) -> bool:
    """Whether all right answers together get the worst score, or, of the score that picks the
    winner, most of them do."""
    worst = measure.scale.worst
    if worst is None:
        return False
    if abs(value - worst) < TOLERANCE:
        return True
    if measure.name != suite.primary or measure.rows is None:
        return False
    rows: list[float] = measure.rows.tolist()
    return 2 * sum(abs(own - worst) < TOLERANCE for own in rows) > len(rows)


TOLERANCE = 1e-6
"""Sums of floating-point numbers are not exactly 100."""


def _short_of_best(measure: Measure) -> float | None:
    """The score where it, or a row's own, is not the best of its scale; None where all are."""
    import numpy as np

    best = measure.scale.best
    value, count = value_of(measure, np.ones(len(measure.counted), dtype=np.bool_))
    if best is None or not count:
        return None
    short = abs(value - best) >= TOLERANCE or _short_rows(measure)
    return value if short else None


def _short_rows(measure: Measure) -> list[int]:
    """Places of the rows whose own score is not the best; none where rows have no score."""
    best = measure.scale.best
    if measure.rows is None or best is None:
        return []
    return [at for at, own in enumerate(measure.rows.tolist()) if abs(own - best) >= TOLERANCE]


def _problem(
    metric: Metric, measure: Measure, value: float, rows: Sequence[ScoredRow], suite: Suite
) -> Problem:
    """The finding: metric, score, share of rows, an example, cause, and what to type."""
    short = _short_rows(measure)
    shown = rows[short[0]] if short else rows[0]
    share = f" ({len(short):,} of {len(rows):,} references fall short)" if short else ""
    message = (
        f"{measure.name} of the references against themselves is {value:.4g}, not "
        f"{measure.scale.best:g}{share}, e.g. {shown.target[:SHORT]!r}"
    )
    cause, hint = _cause(metric, measure, shown, rows, suite)
    return Problem(KEY, f"{message}: {cause}" if cause else message, hint=hint)


def _cause(
    metric: Metric, measure: Measure, row: ScoredRow, rows: Sequence[ScoredRow], suite: Suite
) -> tuple[str, str]:
    """Why a right answer falls short, and what to change."""
    if row.unanswered:
        cause = f"it counts as no usable answer ({row.unanswered})"
        if row.unanswered == "unparsable":
            cause = f"suite.extract ({suite.extract.kind}) finds nothing in it"
        return cause, "change suite.extract, or the targets, so that each target is a right answer"
    if isinstance(metric, Rouge) and not tokens(
        row.target, metric.stem, metric.tokenize == "unicode"
    ):
        known = "a-z and 0-9" if metric.tokenize == "rouge-score" else "letters and digits"
        hint = "tokenize: unicode, or auto, in the metric of kind rouge; or sacrebleu's chrf"
        return f"rouge's words are of {known} (tokenize: {metric.tokenize}), it has none", hint
    if isinstance(metric, Rouge) and measure.name == "rouge2":
        return "a text of one word has no pair of words", "rouge1 or exact_match, for short texts"
    if isinstance(metric, Bleu) and measure.name == "bleu":
        for found in _unsegmented(metric, rows):
            return found.message, found.hint
        cause = f"no text has the four words (tokenize: {metric.tokenize}) that BLEU counts"
        return cause, "chrf, token_f1 or exact_match, for short texts"
    return "", "such a metric cannot tell right from wrong in these rows; take another one"


def _unsegmented(metric: Bleu, rows: Sequence[ScoredRow]) -> Iterator[Problem]:
    """Texts of scripts without blanks that BLEU's tokenizer takes for words of a sentence's
    length. Their score against themselves may well be 100: it shows in answers nearly right."""
    if "bleu" not in metric.scores or metric.tokenize not in BY_WORDS:
        return
    whole, touched = 0, []
    for row in rows:
        found = [unspaced_letters(word) for word in bleu_words(row.target, metric.tokenize)]
        if letters := sum(count for count in found if count > 1):
            whole += letters
            touched.append(row.target)
    total = letters_by_script(row.target for row in rows).total()
    if not touched or whole < LEAST * total:
        return
    message = (
        f"sacrebleu's tokenizer {metric.tokenize} does not split the words of "
        f"{len(touched):,} of {len(rows):,} references, e.g. {touched[0][:SHORT]!r}: a phrase "
        "counts as one word, right or wrong as a whole"
    )
    hint = "tokenize: auto goes by the references' script (zh, ja-mecab, char ...)"
    yield Problem(KEY, message, hint=hint)


def _emptied(rows: Sequence[ScoredRow], suite: Suite) -> Iterator[Problem]:
    """References of which normalisation leaves nothing: every answer of which it leaves nothing
    either is right, and no other."""
    if not any(isinstance(item, ExactMatch | TokenF1 | Classification) for item in suite.metrics):
        return
    empty = [
        row.target
        for row in rows
        if row.extracted is not None and row.target.strip() and not comparable(row.extracted, suite)
    ]
    if empty:
        message = (
            f"leaves nothing of {len(empty):,} of {len(rows):,} references, e.g. "
            f"{empty[0][:SHORT]!r}: whatever is left empty, too, counts as right"
        )
        hint = f"fewer steps than {list(suite.normalize)}"
        yield Problem("suite.normalize", message, hint=hint)
