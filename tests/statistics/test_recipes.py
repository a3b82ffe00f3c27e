"""Variances of runs and rows: against textbook formulas, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.records import SHARE
from runner.statistics.measure import Measure, mean_of, ratio
from runner.statistics.recipes import (
    Estimate,
    RunSpread,
    difference_estimate,
    mean_estimate,
    row_contributions,
    smallest_difference,
    spread_of,
)


def crossed(
    rng: np.random.Generator, runs: int, rows: np.ndarray, spread: float, level: float = 0.0
) -> np.ndarray:
    """Scores with a part of the row, a part of the run, and a rest of 0.3."""
    ours = rng.normal(0, spread, size=(runs, 1)) + rng.normal(0, 0.3, size=(runs, len(rows)))
    return level + rows[None, :] + ours


def test_the_spread_of_runs_is_found_again() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        rows = rng.normal(0, 1, size=50)
        found.append(spread_of([crossed(rng, 3, rows, 0.1) for _ in range(5)]))
    assert found[0].degrees == 10
    assert np.mean([each.means - each.residual / each.rows for each in found]) == pytest.approx(
        0.01, rel=0.15
    )
    assert np.mean([each.residual for each in found]) == pytest.approx(0.09, rel=0.05)


@pytest.mark.parametrize("replicates", [2, 3, 5])
def test_recipes_without_a_difference_are_called_different_in_one_of_twenty(
    replicates: int,
) -> None:
    """Where rows alone, the test of one run each, are wrong in half of the cases."""
    rng = np.random.default_rng(2)
    wrong = alone = 0
    for _ in range(600):
        rows = rng.normal(0, 1, size=200)
        arms = [crossed(rng, replicates, rows, 0.06) for _ in range(6)]
        wrong += difference_estimate(arms[0], arms[1], spread_of(arms)).p() < 0.05
        alone += difference_estimate(arms[0][:1], arms[1][:1], RunSpread()).p() < 0.05
    assert 0.02 < wrong / 600 < 0.08
    assert alone / 600 > 0.3


def test_intervals_hold_the_true_difference() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        rows = rng.normal(0, 1, size=100)
        arms = [crossed(rng, 3, rows, 0.05) for _ in range(4)]
        better = crossed(rng, 3, rows, 0.05, level=0.2)
        found = difference_estimate(better, arms[0], spread_of([*arms, better]))
        low, high = found.interval(0.95)
        held += low <= 0.2 <= high
    assert 0.92 < held / 600 < 0.98


def test_an_untuned_model_has_no_runs() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(0, 1, size=40)
    arm = crossed(rng, 3, rows, 0.5)
    spread = spread_of([arm])
    tuned = difference_estimate(arm, arm[::-1], spread)
    untuned = difference_estimate(arm, rows[None], spread, untuned=True)
    assert untuned.runs == pytest.approx(tuned.runs / 2)


def test_a_mean_without_replicates_is_the_usual_t_interval() -> None:
    values = np.random.default_rng(5).normal(0.5, 0.2, size=30)
    found = mean_estimate(values[None], RunSpread())
    low, high = found.interval(0.95)
    half = 2.04522964 * values.std(ddof=1) / math.sqrt(30)  # t with 29 degrees of freedom
    assert (low, high) == (pytest.approx(values.mean() - half), pytest.approx(values.mean() + half))


def test_rows_that_all_agree_prove_no_equality() -> None:
    same = np.ones((2, 40))
    found = difference_estimate(same, same, spread_of([same, same]), width=1.0)
    low, high = found.interval(0.95)
    assert low < -0.05
    assert high > 0.05
    assert found.equivalent(0.02) > 0.05
    assert difference_estimate(same, same, RunSpread()).p() == 1.0


def test_equivalence_is_both_one_sided_tests() -> None:
    found = Estimate(0.01, rows=0.0001, runs=0.0, degrees=1000)
    assert found.equivalent(0.05) == pytest.approx(found.below(0.05))
    assert found.equivalent(0.05) < 0.001
    assert found.equivalent(0.02) > 0.05
    # The nearer bound decides; outside of it there is no equivalence.
    assert found.equivalent(0.005) > 0.5


def test_earlier_runs_weigh_no_more_than_those_of_the_experiment() -> None:
    own, much = RunSpread(0.02, 0.0, 10, 2), RunSpread(0.04, 0.0, 10, 1000)
    assert own.shrunk(much).means == pytest.approx(0.03)
    assert own.shrunk(RunSpread()).means == own.means
    assert RunSpread().shrunk(much).degrees == 0


def test_earlier_runs_on_other_rows_count_without_the_noise_of_those_rows() -> None:
    few = RunSpread(0.01 + 0.2 / 50, 0.2, 50, 4)
    many = RunSpread(0.01 + 0.2 / 5000, 0.2, 5000, 4)
    assert few.pooled(many).runs == pytest.approx(0.01)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=30),
    st.integers(1, 5),
)
def test_contributions_of_a_ratio_average_to_the_score_less_its_bias(
    pairs: list[tuple[int, int]], scale: int
) -> None:
    statistics = np.array(pairs, dtype=float) * [scale, 1]
    measure = Measure("r", statistics, lambda s: ratio(s[:, 0], s[:, 1]), np.ones(len(pairs), bool))
    n, whole = len(pairs), statistics[:, 0].sum() / statistics[:, 1].sum()
    without = [
        (statistics[:, 0].sum() - top) / (statistics[:, 1].sum() - bottom)
        for top, bottom in statistics
    ]
    found = row_contributions(measure, statistics)
    assert found.mean() == pytest.approx(n * whole - (n - 1) * np.mean(without), abs=1e-9)


def test_contributions_of_a_mean_are_its_rows() -> None:
    measure = mean_of("m", [0.0, 0.5, 1.0], scale=SHARE)
    assert row_contributions(measure, measure.statistics).tolist() == [0.0, 0.5, 1.0]


def test_the_smallest_difference_shrinks_with_rows_and_replicates() -> None:
    def least(rows: int, replicates: int) -> float:
        return smallest_difference(rows, replicates, 0.25, 0.0004)

    assert least(400, 3) < least(100, 3)
    assert least(400, 5) < least(400, 2)
    # Cohen's 2.8 standard errors, of rows alone.
    alone = smallest_difference(100, 1, 0.25, 0.0)
    assert alone == pytest.approx((1.959964 + 0.841621) * 0.05, rel=1e-4)
    assert smallest_difference(100, 1, 0.25, 0.0, comparisons=9) > alone
