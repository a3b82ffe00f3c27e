"""ROUGE-1, -2, -L and -Lsum F-measures, bit-equal to rouge-score 0.1.2 and 5 to 8 times faster.

Formulas and corner cases are rouge-score's (Lin 2004; ROUGE-1.5.5). Over several references the
suite says whether the best or the mean counts: rouge-score takes the best, published SummEval
tables the mean.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Protocol

from runner.base.scripts import words
from runner.config import Rouge, Suite
from runner.evaluation.measure import MetricResult, ScoredAnswer
from runner.evaluation.tokenizers import rouge_tokenizer
from runner.records import SHARE
from runner.statistics.measure import mean_of

log = logging.getLogger(__name__)


def names(metric: Rouge, fields: Sequence[str]) -> list[str]:
    return list(metric.types)


def measure(rows: Sequence[ScoredAnswer], metric: Rouge, suite: Suite) -> MetricResult:
    references = [text for row in rows for text in row.references]
    tokenize = rouge_tokenizer(references) if metric.tokenize == "auto" else metric.tokenize
    whole = tokenize == "unicode"
    for warning in warnings(references, metric.types, whole):
        log.warning("%s", warning)
    signature = f"rouge-score:0.1.2|stem:{'yes' if metric.stem else 'no'}|refs:{metric.aggregate}"
    signature += "|tok:unicode" if whole else ""
    values = {
        name: [_over_references(name, row, metric, whole) for row in rows] for name in metric.types
    }
    return MetricResult(
        [mean_of(name, of, signature=signature, scale=SHARE) for name, of in values.items()]
    )


def _over_references(name: str, row: ScoredAnswer, metric: Rouge, whole: bool) -> float:
    scores = [rouge(name, text, row.text, metric.stem, whole) for text in row.references]
    return max(scores) if metric.aggregate == "max" else sum(scores) / len(scores)


def rouge(name: str, reference: str, answer: str, stem: bool, whole: bool = False) -> float:
    """One F-measure in [0, 1] of one pair; `name` is ``rouge1``, ``rouge2``, ``rougeL`` or
    ``rougeLsum``; `whole` takes the words of any script."""
    if name == "rougeLsum":
        return _summary_level(sentences(reference, stem, whole), sentences(answer, stem, whole))
    expected, given = tokens(reference, stem, whole), tokens(answer, stem, whole)
    if name == "rougeL":
        return _f_measure(lcs_length(expected, given), len(expected), len(given))
    return _ngrams(expected, given, int(name.removeprefix("rouge")))


def _ngrams(expected: tuple[str, ...], given: tuple[str, ...], size: int) -> float:
    wanted, had = _windows(expected, size), _windows(given, size)
    return _f_measure((wanted & had).total(), wanted.total(), had.total())


def _windows(words: tuple[str, ...], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(size)), strict=False))


def _summary_level(expected: list[tuple[str, ...]], given: list[tuple[str, ...]]) -> float:
    """Union of each reference sentence's subsequences with all answer sentences; a word counts
    at most as often as it stands on either side (as ROUGE-1.5.5 does, not as in the paper)."""
    left = Counter(word for line in given for word in line)
    open_ = Counter(word for line in expected for word in line)
    total_expected, total_given = open_.total(), left.total()
    hits = 0
    for line in expected:
        union = {index for other in given for index in lcs_indices(line, other)}
        for index in sorted(union):
            word = line[index]
            if left[word] > 0 and open_[word] > 0:
                hits += 1
                left[word] -= 1
                open_[word] -= 1
    return _f_measure(hits, total_expected, total_given)


def _f_measure(hits: int, expected: int, given: int) -> float:
    if not hits:
        return 0.0
    precision, recall = hits / given, hits / expected
    return 2 * precision * recall / (precision + recall)


# ROUGE's words: rouge-score's own tokenizer, with every stem worked out once.
#
# `rouge_score.tokenize` is light; the scorer beside it pulls in all of nltk (several CPU seconds
# next to scikit-learn), so nltk is imported for the stemmer alone and only when stemming is on.

FOREIGN_SHARE = 0.05
"""Above this share of letters outside a-z in the references, ROUGE is blind to much of them."""


class Stemmer(Protocol):
    def stem(self, word: str) -> str: ...


@lru_cache(maxsize=1 << 14)
def tokens(text: str, stem: bool, whole: bool = False) -> tuple[str, ...]:
    """Lower-cased runs of ``[a-z0-9]``; with `whole`, the words of any script; with `stem`, Porter
    stems of words above 3 letters."""
    if whole:
        found = words(text.lower())
        # Porter's rules are for English: words in other letters stay.
        return tuple(_stem(word) if stem and word.isascii() else word for word in found)
    from rouge_score.tokenize import tokenize

    return tuple(tokenize(text, _stemmer() if stem else None))


def sentences(text: str, stem: bool, whole: bool = False) -> list[tuple[str, ...]]:
    """The words of each line: rouge-score takes the newline for the end of a sentence."""
    return [tokens(line, stem, whole) for line in text.split("\n") if line]


def _stem(word: str) -> str:
    return _stemmer().stem(word) if len(word) > 3 else word


@cache
def _stemmer() -> Stemmer:
    from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]

    class Remembering:
        """Porter's algorithm is slow and words repeat: a cache takes 80 % of the time away."""

        stem = staticmethod(lru_cache(maxsize=1 << 17)(PorterStemmer().stem))

    return Remembering()


def warnings(references: Sequence[str], types: Sequence[str], whole: bool = False) -> Iterator[str]:
    """What a reader should know before believing the numbers."""
    letters = [char for text in references for char in text.lower() if char.isalpha()]
    foreign = sum(not "a" <= char <= "z" for char in letters)
    if letters and not whole and foreign / len(letters) > FOREIGN_SHARE:
        yield (
            f"rouge ignores every letter outside a-z, {foreign / len(letters):.0%} of the "
            "references' letters; tokenize: unicode and chrf read all of them"
        )
    if "rougeLsum" in types and references and not any("\n" in text for text in references):
        yield "rougeLsum splits sentences at newlines; no reference has one, so it equals rougeL"


# Longest common subsequences by bit vectors: 64 cells of the table in one machine operation.
#
# A row of the usual table rises by 0 or 1 from each column to the next, so it fits in one integer
# with a 0 bit where it rises (Hyyrö 2004, "Bit-parallel LCS-length computation revisited").
# Python's integers have any length, so no text is too long.


def lcs_rows(reference: Sequence[str], answer: Sequence[str]) -> list[int]:
    """Bit rows of the table, one more than the reference has words; bit j stands for word j of
    the answer, 0 where the row rises."""
    places: dict[str, int] = {}
    for index, word in enumerate(answer):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(answer)) - 1
    row = full
    rows = [row]
    for word in reference:
        hits = row & places.get(word, 0)
        row = ((row + hits) | (row - hits)) & full
        rows.append(row)
    return rows


def lcs_length(reference: Sequence[str], answer: Sequence[str]) -> int:
    return len(answer) - lcs_rows(reference, answer)[-1].bit_count()


def lcs_indices(reference: Sequence[str], answer: Sequence[str]) -> list[int]:
    """Places in the reference of one longest common subsequence, last first.

    Which one matters for ROUGE-Lsum; it is the one that ROUGE-1.5.5 walks back to: a match is
    taken at once, else left where that cell is larger, else up.
    """
    rows = lcs_rows(reference, answer)
    i, j = len(reference), len(answer)
    taken = []
    while i and j:
        if reference[i - 1] == answer[j - 1]:
            i, j = i - 1, j - 1
            taken.append(i)
        elif _cell(rows[i], j - 1) > _cell(rows[i - 1], j):
            j -= 1
        else:
            i -= 1
    return taken


def _cell(row: int, column: int) -> int:
    """The table's number at a column: how often the row rose up to there."""
    return column - (row & ((1 << column) - 1)).bit_count()
