"""The swap test: its p against a test that throws a coin for every row."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from runner.statistics.measure import mean_of
from runner.statistics.significance import SWAPS, swap_test

if TYPE_CHECKING:
    from runner.statistics.measure import Matrix


def values(rng: np.random.Generator, rows: int, different: int) -> Matrix:
    """Scores from 0 to 1, of `different` values."""
    return np.asarray(rng.integers(0, different, rows) / (different - 1), dtype=np.float64)


def by_coins(change: Matrix, observed: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, size=(SWAPS, len(change))) * 2.0 - 1
    reached = int((np.abs(signs @ change) >= abs(observed) - 1e-9).sum())
    return (reached + 1) / (SWAPS + 1)


@pytest.mark.parametrize(("rows", "different"), [(60, 3), (400, 5), (400, 4000), (3000, 60)])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_equal_to_a_coin_for_every_row(rows: int, different: int, shift: float) -> None:
    """Rows with few different values are swapped by number, others one by one; 400 and 4,000 is
    all of the latter, 3,000 and 60 some of both."""
    rng = np.random.default_rng(rows + different)
    ours, theirs = values(rng, rows, different), values(rng, rows, different)
    change = ours - theirs
    more = max(0, round(shift * change.std() * rows**0.5 - change.sum()))
    ours[rng.permutation(rows)[:more]] += 1.0
    one, other = mean_of("x", ours.tolist()), mean_of("x", theirs.tolist())
    p = swap_test(one.statistics, other.statistics, one.combine, 1)
    expected = by_coins(ours - theirs, float((ours - theirs).sum()), 2)
    noise = (2 * max(expected * (1 - expected), 1 / SWAPS) / SWAPS) ** 0.5
    assert abs(p - expected) <= 5 * noise


@pytest.mark.parametrize("rows", [1, 2, 6, 13])
def test_few_rows_are_tried_in_every_way(rows: int) -> None:
    rng = np.random.default_rng(rows)
    ours, theirs = rng.random(rows), rng.random(rows)
    one, other = mean_of("x", ours.tolist()), mean_of("x", theirs.tolist())
    signs = np.asarray(list(itertools.product((-1, 1), repeat=rows)))
    sums = np.abs(signs @ (ours - theirs))
    expected = float((sums >= abs((ours - theirs).sum()) - 1e-9).mean())
    assert swap_test(one.statistics, other.statistics, one.combine, 1) == expected


def test_rows_that_agree_decide_nothing() -> None:
    one = mean_of("x", [0.5] * 20)
    assert swap_test(one.statistics, one.statistics, one.combine, 1) == 1.0
