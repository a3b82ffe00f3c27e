"""Is a paired difference more than luck: exact McNemar, a swap test for the rest, Holm.

Both tests ask how often a difference at least as large appears when each row's two answers are
handed to the arms at random. For 0/1 rows the count has a closed form (McNemar's exact test);
for means the swap test is the sign-flip permutation test, for corpus scores approximate
randomisation (Noreen 1989). Ties count as "at least as large": with the strict comparison that
sacreBLEU uses, true nulls of 0/1 scores are rejected far too often.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from runner.records.results import Difference

if TYPE_CHECKING:
    from runner.statistics.measure import Matrix

SWAPS = 9_999
"""Random swaps; the smallest p is 1 / (SWAPS + 1)."""
_CELLS = 4_000_000


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p of `wins` against `losses` when each is a fair coin; in (0, 1]."""
    discordant = wins + losses
    term = total = 1
    for hits in range(1, min(wins, losses) + 1):
        term = term * (discordant - hits + 1) // hits
        total += term
    # Whole numbers up to here, so nothing rounds; a p below the smallest double stays positive.
    return min(1.0, max(2 * total / (1 << discordant), sys.float_info.min))


def swap_test(
    ours: Matrix, theirs: Matrix, combine: Callable[[Matrix], Matrix], seed: int
) -> float:
    """Two-sided p in (0, 1] of the difference of two scores over the same rows.

    `ours` and `theirs` are (n, k) statistics. Rows on which they agree do not matter. With few
    enough discordant rows every swap is tried, and the p is exact.
    """
    import numpy as np

    discordant = (ours != theirs).any(axis=1)
    change = (ours - theirs)[discordant]
    if not len(change):
        return 1.0
    sums = ours.sum(axis=0, keepdims=True), theirs.sum(axis=0, keepdims=True)
    observed = abs(float((combine(sums[0]) - combine(sums[1]))[0]))
    # Sums in another order differ in the last bits; equal differences must count as equal.
    bar = observed - 1e-9 * max(1.0, observed)
    reached = tried = 0
    for swaps in _swaps(len(change), seed):
        moved = swaps @ change
        differences = combine(sums[0] - moved) - combine(sums[1] + moved)
        reached += int(np.count_nonzero(np.abs(differences) >= bar))
        tried += len(swaps)
    if 2 ** len(change) <= SWAPS + 1:
        return reached / tried
    return (reached + 1) / (tried + 1)


def _swaps(count: int, seed: int) -> Iterator[Matrix]:
    """0/1 rows that say which of `count` pairs are swapped: all of them, or `SWAPS` at random."""
    import numpy as np

    if 2**count <= SWAPS + 1:
        every = np.arange(2**count)[:, None] >> np.arange(count) & 1
        yield every.astype(np.float64)
        return
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // count)
    for start in range(0, SWAPS, step):
        size = min(step, SWAPS - start)
        bits = np.frombuffer(rng.bytes(size * -(-count // 8)), dtype=np.uint8)
        yield np.unpackbits(bits.reshape(size, -1), axis=1)[:, :count].astype(np.float64)


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """The same differences in the same order with `p_holm` filled in (Holm 1979).

    Corrects for the number of differences tested; those without a p (nan) are not counted.
    """
    tested = [index for index, item in enumerate(differences) if item.p == item.p]
    corrected = [item.p for item in differences]
    adjusted = holm_adjusted([differences[index].p for index in tested])
    for index, p in zip(tested, adjusted, strict=True):
        corrected[index] = p
    return [
        item.model_copy(update={"p_holm": p})
        for item, p in zip(differences, corrected, strict=True)
    ]


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: below alpha, the chance of any false finding is at most alpha,
    whatever the tests have to do with each other (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted, running = [1.0] * len(p_values), 0.0
    for rank, at in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = running
    return adjusted
