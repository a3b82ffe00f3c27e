"""Do the two sides use the same words? Jensen-Shannon divergence against reshuffled sides.

The divergence itself means nothing on its own: for two samples of 100 of one and the same
population it is about 0.18 bits. What counts is where it lies among reshuffles.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from runner.records.skew import Vocabulary
from runner.skew.features import words

WORDS = 2000
"""The words in most prompts of both sides together."""
LISTED = 12


def compare_words(texts: Sequence[str], first: int, permutations: int, seed: int) -> Vocabulary:
    """The first `first` texts against the rest. Raises ValueError when there are no words."""
    import numpy as np

    sets = [words(text) for text in texts]
    counts = Counter(word for found in sets for word in sorted(found))
    common = [word for word, _ in counts.most_common(WORDS)]
    if not common:
        raise ValueError("no words")
    place = {word: at for at, word in enumerate(common)}
    table = np.zeros((len(texts), len(common)), dtype=np.float32)
    for row, found in enumerate(sets):
        table[row, [place[word] for word in found if word in place]] = 1
    draw = np.random.default_rng(seed + 1)
    sides = np.zeros((permutations + 1, len(texts)), dtype=np.float32)
    sides[0, :first] = 1
    for row in range(1, permutations + 1):
        sides[row] = draw.permutation(sides[0])
    one = sides @ table
    found = _divergences(one, table.sum(axis=0)[None, :] - one)
    here = one[0].astype(int)
    there = (table.sum(axis=0) - one[0]).astype(int)
    p = (1 + int((found[1:] >= found[0] - 1e-9).sum())) / (1 + permutations)
    rated = _ratings(here, there, first, len(texts) - first)
    order = sorted(range(len(common)), key=lambda at: rated[at])
    listed = [(common[at], int(here[at]), int(there[at])) for at in order]
    return Vocabulary(
        float(found[0]),
        float(found[1:].mean()),
        p,
        tuple(listed[:LISTED]),
        tuple(listed[::-1][:LISTED]),
    )


def _divergences(one: Any, other: Any) -> Any:
    """Jensen-Shannon divergence in bits, row by row."""
    import numpy as np

    one = one / np.maximum(one.sum(axis=1, keepdims=True), 1)
    other = other / np.maximum(other.sum(axis=1, keepdims=True), 1)
    middle = (one + other) / 2

    def entropy(share: Any) -> Any:
        return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)

    return entropy(middle) - (entropy(one) + entropy(other)) / 2


def _ratings(here: Any, there: Any, n: int, other_n: int) -> list[float]:
    """z of the log odds, production over tuning, with half a prompt added to every cell
    (Monroe et al. 2008 with a flat prior)."""
    rated = []
    for a, b in zip(here.tolist(), there.tolist(), strict=True):
        odds = math.log((b + 0.5) / (other_n - b + 0.5)) - math.log((a + 0.5) / (n - a + 0.5))
        cells = (a + 0.5, n - a + 0.5, b + 0.5, other_n - b + 0.5)
        rated.append(odds / math.sqrt(sum(1 / cell for cell in cells)))
    return rated


# Texts as vectors of their 1-, 2- and 3-character pieces, and how near they are.

BUCKETS = 1 << 18
FACTORS = (2654435761, 40503, 2246822519)
"""Odd multipliers; a collision only blurs two rare pieces into one."""
LOOKED_AT = 4000
"""Characters of a text that count: its first and last 2,000."""


def gram_matrix(texts: Sequence[str]) -> Any:
    """Cosines of all pairs of texts (n x n, float32) over TF-IDF of character pieces.

    Casing, blanks and signs count. The weights go by all texts together, never by their side.
    """
    import numpy as np
    from scipy.sparse import csr_array

    indices, values, starts = [], [], [0]
    for text in texts:
        found, counts = np.unique(_pieces(text), return_counts=True)
        indices.append(found)
        values.append(1 + np.log(counts))
        starts.append(starts[-1] + len(found))
    column = np.concatenate(indices)
    seen = np.bincount(column, minlength=BUCKETS)
    weights = np.concatenate(values) * np.log((1 + len(texts)) / (1 + seen[column])) + 1e-12
    rows = csr_array((weights, column, np.array(starts)), shape=(len(texts), BUCKETS))
    norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = csr_array((weights / np.repeat(norms, np.diff(starts)), column, np.array(starts)),
                     shape=(len(texts), BUCKETS))  # fmt: skip
    return (rows @ rows.T).toarray().astype(np.float32)


def _pieces(text: str) -> Any:
    """Bucket of every piece, with the text's ends marked."""
    import numpy as np

    if len(text) > LOOKED_AT:
        text = text[: LOOKED_AT // 2] + text[-LOOKED_AT // 2 :]
    framed = f"\x02{text}\x03".encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(framed, dtype=np.uint32).astype(np.uint64)
    pieces = []
    for size in (1, 2, 3):
        total = np.full(max(len(codes) - size + 1, 0), size, dtype=np.uint64)
        for at in range(size):
            total = total * np.uint64(FACTORS[at]) + codes[at : len(codes) - size + 1 + at]
        pieces.append((total * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(46))
    return np.concatenate(pieces).astype(np.int64)
