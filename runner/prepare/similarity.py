"""Train rows that are like rows of an evaluation split without being equal to them, by method.

The evaluation side is indexed once; train rows are read past it in batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.kernels.minhash import near_matches
from runner.kernels.ngrams import NgramIndex, contained, index_ngrams
from runner.kernels.substring import counted
from runner.prepare.kernel_settings import minhash_settings
from runner.prepare.row_status import RowStatus
from runner.prepare.row_table import RowTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.row_status import Mask

BATCH = 16_384
MINHASH, SUBSTRING = "minhash", "substring"


@dataclass(slots=True)
class ComparedCounts:
    """One method at work on two splits."""

    rows: int
    """Train rows that it could compare: those long enough to have what it compares."""
    against: Mask
    """Which evaluation rows it could compare."""
    hit: set[int] = field(default_factory=set)
    """Evaluation rows that it found a train row to be like."""


@dataclass(slots=True)
class Similarity:
    """What was found; arrays have an entry a train row."""

    row: NDArray[np.int64]
    """The evaluation row most like it, by the first method that found one; -1 for none."""
    method: dict[int, str] = field(default_factory=dict)
    score: dict[int, float] = field(default_factory=dict)
    """Jaccard similarity for minhash, else the shared part of the smaller row's n-grams."""
    looks: dict[str, ComparedCounts] = field(default_factory=dict)
    """What each method that is on looked at and found, whatever the others found."""

    def hit_but(self, without: str | None) -> set[int]:
        """Evaluation rows that any train row is like, by any method but this one."""
        hits = (look.hit for method, look in self.looks.items() if method != without)
        return set[int]().union(*hits)

    def take(self, row: int, like: int, method: str, score: float) -> None:
        self.looks[method].hit.add(like)
        if self.row[row] < 0:
            self.row[row], self.method[row], self.score[row] = like, method, score


@dataclass(frozen=True, slots=True)
class _Test:
    """One n-gram size with the share of n-grams that makes a leak."""

    method: str
    index: NgramIndex
    threshold: float


def similar_rows(
    train: RowTable, status: RowStatus, evaluation: RowTable, config: Prepare
) -> Similarity:
    """Compare the train rows that are still there with all rows of an evaluation split, by every
    method that `config.leakage` asks for: near-duplicates, n-grams, shared spans."""
    import numpy as np

    found = Similarity(np.full(len(train), -1, np.int64))
    fuzzy = config.leakage.fuzzy_as(config.dedup.fuzzy)
    tests = list(_tests(evaluation, config))
    if not (fuzzy or tests):
        return found
    places, folder = np.flatnonzero(status.stays), train.path.parent
    texts = train.inputs.where(status.stays, folder)
    if fuzzy:
        found.looks[MINHASH] = ComparedCounts(len(places), np.ones(len(evaluation), np.bool_))
        for hit in near_matches(texts, evaluation.inputs, minhash_settings(fuzzy), folder):
            found.take(int(places[hit.row]), hit.matched, MINHASH, hit.score)
    found.looks |= {test.method: ComparedCounts(0, test.index.sizes > 0) for test in tests}
    for low, batch in texts.batches(BATCH) if tests else ():
        tokens = counted(batch)
        for test in tests:
            got, look = contained(tokens, test.index, test.threshold), found.looks[test.method]
            look.rows += int(np.count_nonzero(np.diff(tokens.windows(test.index.size))))
            look.hit.update(np.flatnonzero(got.hit).tolist())
            for at in np.flatnonzero(got.best >= 0).tolist():
                like, score = int(got.best[at]), float(got.score[at])
                found.take(int(places[low + at]), like, test.method, score)
    return found


def _tests(evaluation: RowTable, config: Prepare) -> Iterator[_Test]:
    ngrams, span = config.leakage.ngrams, config.leakage.substring
    if not (ngrams or span):
        return
    corpus = counted(evaluation.inputs)
    for size in ngrams.sizes if ngrams else ():
        yield _Test(f"{size}-gram", index_ngrams(corpus, size), ngrams.threshold if ngrams else 1)
    if span:
        yield _Test(SUBSTRING, index_ngrams(corpus, span), 0)
