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
_MANY = 32
"""Pairs with the same difference from which one binomial number costs less than a coin each."""


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
    exact = 2 ** len(change) <= SWAPS + 1
    for moved in _every_swap(change) if exact else _random_swaps(change, seed):
        differences = combine(sums[0] - moved) - combine(sums[1] + moved)
        reached += int(np.count_nonzero(np.abs(differences) >= bar))
        tried += len(moved)
    return reached / tried if exact else (reached + 1) / (tried + 1)


def _every_swap(change: Matrix) -> Iterator[Matrix]:
    """What each way to swap some of the pairs moves from one side to the other, (m, k)."""
    import numpy as np

    swaps = np.arange(2 ** len(change))[:, None] >> np.arange(len(change)) & 1
    yield swaps.astype(np.float64) @ change


def _random_swaps(change: Matrix, seed: int) -> Iterator[Matrix]:
    """The same for `SWAPS` ways at random, some at a time.

    Of c pairs with the same difference it only matters how many are swapped, which is binomial
    (c, 1/2): short answers have few different F1 values, so that 100,000 rows are some hundred
    numbers. Pairs with a difference of their own have a coin each.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    # Adding 0 makes -0 to 0, which would count as another value.
    values, inverse, counts = np.unique(
        change + 0.0, axis=0, return_inverse=True, return_counts=True
    )
    many = counts >= _MANY
    alone = change[~many[inverse.reshape(-1)]]
    size, wide = int(many.sum()), len(alone)
    step = max(1, _CELLS // (size + wide))
    for start in range(0, SWAPS, step):
        ways = min(step, SWAPS - start)
        # A value's numbers one after another: NumPy sets a binomial up once for each run of them.
        swapped = rng.binomial(counts[many][:, None], 0.5, size=(size, ways))
        bits = np.frombuffer(rng.bytes(ways * -(-wide // 8)), dtype=np.uint8)
        coins = np.unpackbits(bits.reshape(ways, -1), axis=1)[:, :wide]
        yield swapped.T.astype(np.float64) @ values[many] + coins.astype(np.float64) @ alone


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
