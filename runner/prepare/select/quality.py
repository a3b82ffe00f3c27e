"""Rules a training row has to pass, each with a name that the tally counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runner.base.errors import MissingExtraError
from runner.base.language import UNKNOWN, language, script_of
from runner.config.select import LabelNoise, Quality
from runner.prepare.row_table import input_text
from runner.prepare.select.diverse import Selection, UnusedReason
from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.encoders.lexical import Vectors

SPAN = 3
"""Words of a repeated run."""
UNSPACED_SPAN = 6
"""Characters of one, where a script has no blanks: some three words of Chinese or Japanese."""
# Scripts written without blanks: kana, ideographs, Thai, Lao, Khmer, Burmese.
WORD = re.compile(r"[぀-ヿ㐀-鿿฀-໿ក-៿က-႟]|[^\s぀-ヿ㐀-鿿฀-໿ក-៿က-႟]+")


def drop_by_rules(rows: Iterable[Row], quality: Quality, choice: Selection) -> None:
    """Drop every row that breaks a rule, for the first rule it breaks."""
    for at, row in enumerate(rows):
        broken = next(broken_rules(row, quality), None)
        if broken:
            choice.reasons[at] = UnusedReason(broken[0], "rule", broken[1])


def broken_rules(row: Row, quality: Quality) -> Iterator[tuple[str, float]]:
    """Names of the rules that the row breaks, with the value that breaks them."""
    text = input_text(row, [])
    for name, value, least, most in (
        ("words", text, quality.min_words, quality.max_words),
        ("target_words", row.target, quality.min_target_words, quality.max_target_words),
    ):
        words = len(WORD.findall(value))
        if least is not None and words < least:
            yield f"few_{name}", words
        if most is not None and words > most:
            yield f"many_{name}", words
    if quality.max_repetition is not None:
        worst = max(repetition(text), repetition(row.target))
        if worst > quality.max_repetition:
            yield "repetition", round(worst, 4)
    if quality.scripts is not None:
        share = script_share(text, quality.scripts)
        if share <= 0.5:
            yield "other_script", round(share, 4)
    if quality.languages is not None:
        found = language(text)
        if found != UNKNOWN and found not in quality.languages:
            yield "other_language", 0.0


def repetition(text: str) -> float:
    """Share of the text's characters (without blanks) in word triples that stand in it twice or
    more, counted once where triples overlap (Rae et al. 2021, appendix A.1.1)."""
    words = WORD.findall(text)
    span = UNSPACED_SPAN if 2 * sum(map(_alone, words)) > len(words) else SPAN
    runs = [tuple(words[at : at + span]) for at in range(len(words) - span + 1)]
    times = Counter(runs)
    covered: set[int] = set()
    for at, run in enumerate(runs):
        if times[run] > 1:
            covered.update(range(at, at + span))
    total = sum(map(len, words))
    return sum(len(words[at]) for at in covered) / total if total else 0.0


def _alone(word: str) -> bool:
    """Whether it is a character of a script without blanks, which stands for a word."""
    return len(word) == 1 and word > "\u0e00"


def script_share(text: str, wanted: Iterable[str]) -> float:
    """Share of the text's letters that are of one of the scripts; 1 for a text without letters,
    which is in no other script either."""
    letters = Counter(script_of(char) for char in text if char.isalpha())
    total = letters.total()
    return sum(letters[name] for name in wanted) / total if total else 1.0


# Labels that the most similar rows do not share: likely mistakes of whoever labelled them.

ROWS_A_LABEL = 2
"""Answers are labels when each stands, on average, in at least this many rows."""


def drop_noise(
    targets: Sequence[str], vectors: Vectors, config: LabelNoise, choice: Selection
) -> None:
    """Drop rows with too few neighbours of the same answer; the most similar one that disagrees
    is the evidence (edited nearest neighbours, Wilson 1972). Rows that share no word with any
    other row have nobody to ask and stay."""
    import numpy as np

    labels, of_row = np.unique(np.array(targets, object), return_inverse=True)
    if len(labels) * ROWS_A_LABEL > len(targets):
        choice.notes.append(
            "prepare.select.quality.label_noise: answers are not labels here (nearly every row "
            "has one of its own), so no row was held against its neighbours"
        )
        return
    found, score = nearest(vectors, config.neighbours)
    asked = (found >= 0) & (score > 0)
    same = asked & (of_row[found] == of_row[:, None])
    share = same.sum(axis=1) / np.maximum(1, asked.sum(axis=1))
    for row in np.flatnonzero(asked.any(axis=1) & (share < config.agreement)).tolist():
        against = int(found[row][np.argmax(asked[row] & ~same[row])])
        choice.reasons.setdefault(
            row, UnusedReason("label_noise", "neighbours", round(float(share[row]), 4), against)
        )


# The most similar other rows of every row, by cosine similarity.

EXACT = 50_000
"""Rows up to which every pair is looked at."""
BLOCK = 1024
PROBES = 16


def nearest(vectors: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """Per row, the `count` most similar other rows and their similarities, best first; -1 and 0
    where there are fewer. Exact up to `EXACT` rows, then by an inverted file (faiss)."""
    import numpy as np

    rows = len(vectors)
    kept = min(count, max(0, rows - 1))
    found = np.full((rows, count), -1, np.int64)
    score = np.zeros((rows, count), np.float32)
    if rows > EXACT:
        found[:, :kept], score[:, :kept] = _indexed(vectors, kept)
        return found, score
    for start in range(0, rows, BLOCK):
        block = vectors[start : start + BLOCK] @ vectors.T
        here = np.arange(len(block))
        block[here, start + here] = -np.inf
        best = np.argpartition(-block, kept - 1, axis=1)[:, :kept] if kept else found[:0, :0]
        if not kept:
            continue
        values = np.take_along_axis(block, best, axis=1)
        # Ties by row number, so that the answer does not depend on the partition.
        order = np.lexsort((best, -values), axis=1)
        found[start : start + BLOCK, :kept] = np.take_along_axis(best, order, axis=1)
        score[start : start + BLOCK, :kept] = np.take_along_axis(values, order, axis=1)
    return found, score


def _indexed(vectors: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    import numpy as np

    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "faiss-cpu", "data", f"comparing more than {EXACT:,} rows by similarity"
        ) from error
    lists = int(np.sqrt(len(vectors)))
    index: Any = faiss.index_factory(
        vectors.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors[:: max(1, len(vectors) // (lists * 64))])
    index.add(vectors)
    index.nprobe = PROBES
    score, found = index.search(vectors, count + 1)
    # A row is its own best match, except among rows that are alike to the last bit.
    own = found == np.arange(len(vectors))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(vectors), count)
    return found[~own].reshape(shape), score[~own].reshape(shape)
