"""Texts as the sets of their shingles' hashes: enough to find near-duplicates later, and no text.

Two different shingles of two texts of 1,000 share a 32-bit hash with a chance of 2e-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.kernels.minhash.clusters import BandIndex, NearDuplicate, best
from runner.kernels.minhash.plan import Plan
from runner.kernels.texts import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shingles = NDArray[np.uint32]


def fingerprints(texts: Texts, plan: Plan) -> list[Shingles]:
    """Per text, the distinct 32-bit hashes of its shingles, in ascending order; never empty."""
    import numpy as np

    from runner.kernels.minhash import kernels

    sizes = np.array([plan.ngram, plan.char_ngram], np.int64)
    lengths = np.diff(texts.start)
    out, found = np.empty(int(lengths.max(initial=0)) + 8, np.uint64), []
    for row in range(len(texts)):
        count = kernels.shingles_at(texts.data, texts.start, row, plan.unit, sizes, out)
        found.append(np.unique(out[:count].astype(np.uint32)))
    return found


def fingerprint_keys(rows: Sequence[Shingles], plan: Plan) -> NDArray[np.uint64]:
    """The band keys of fingerprints: a line a band, a column a row."""
    import numpy as np

    from runner.kernels.minhash import kernels

    values = np.empty((len(rows), len(plan.multiply)), np.uint32)
    keys = np.empty((plan.bands, len(rows)), np.uint64)
    if rows:
        start = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
        kernels.sign_hashes(np.concatenate(rows), start, plan.multiply, plan.add, values)
        kernels.band(values, plan.rows, 0, keys)
    return keys


def fingerprint_matches(
    mine: Sequence[Shingles], keys: NDArray[np.uint64], theirs: Sequence[Shingles], plan: Plan
) -> list[NearDuplicate]:
    """Rows of `mine`, whose band keys are `keys`, with a near-duplicate in `theirs`, each with the
    most similar one."""
    import numpy as np

    left, right = BandIndex(fingerprint_keys(theirs, plan)).candidates(keys)
    score = np.empty(len(left))
    for at, (one, two) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        shared = len(np.intersect1d(mine[one], theirs[two], assume_unique=True))
        score[at] = shared / (len(mine[one]) + len(theirs[two]) - shared)
    return best(left, right, score, plan.threshold)
