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
