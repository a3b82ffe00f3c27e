"""How often 95 % intervals hold the true value: the runner's method beside others, on answers
whose true score is known.

    python benchmarks/interval_coverage.py --runs 2000

Scores: 0/1 rows; three kinds of graded rows (*token F1*: 70 % of the rows are 0 or 1; *mostly
right*: rows off the bound are rare and anywhere; *close*: all rows near each other); macro F1 of
four labels of unequal size; BLEU of texts whose words are right or wrong at random. Paired
differences of the same. The columns of a table are methods, `runner` the one in use; behind `+-`
stand the Monte-Carlo standard error of its coverage and its mean width.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from runner.config import Bootstrap
from runner.evaluation.metrics.classification import _macro
from runner.records import POINTS, SHARE
from runner.statistics.intervals import (
    difference_interval,
    intervals,
    percentile,
    resampled_sums,
)
from runner.statistics.measure import Measure, by_group, mean_of, value_of
from runner.statistics.significance import holm_adjusted, mcnemar, swap_test

Matrix = NDArray[np.float64]
Ends = tuple[float, float]
RULE = Bootstrap(samples=500)
SIZES = (20, 40, 80, 200, 1000)
SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
PAIRS = ((0.5, 0.5), (0.7, 0.8), (0.9, 0.8), (0.95, 0.95), (0.98, 0.95), (0.05, 0.02))
SLOW = 4
"""Corpus scores, and rows from 200 on, get the runs divided by this."""
rng = np.random.default_rng(17)


# Rows with a true score.


def zero_one(n: int, p: float) -> Matrix:
    return (rng.random(n) < p).astype(np.float64)


def token_f1(n: int, p: float) -> Matrix:
    """Right with 0.7 p, wrong with 0.7 (1 - p), else in between; the mean is p."""
    at = rng.random(n)
    graded = rng.beta(4 * p, 4 * (1 - p), n)
    return np.where(at < 0.7 * p, 1.0, np.where(at < 0.7, 0.0, graded))


def mostly_right(n: int, p: float) -> Matrix:
    """At the nearer bound but for rare rows, which are uniform; the mean is p."""
    near = max(p, 1 - p)
    rows = np.where(rng.random(n) < 2 * (1 - near), rng.random(n), 1.0)
    return rows if p >= 0.5 else 1 - rows


def close(n: int, p: float) -> Matrix:
    return rng.beta(20 * p, 20 * (1 - p), n)


GRADED = {"token F1": token_f1, "mostly right": mostly_right, "close": close}
LABELS = np.array([0.4, 0.3, 0.2, 0.1])


def confusion(n: int, p: float) -> Matrix:
    """(n, 12) statistics of macro F1: the right label with p, else one of the others."""
    gold = rng.choice(4, n, p=LABELS)
    said = np.where(rng.random(n) < p, gold, (gold + rng.integers(1, 4, n)) % 4)
    out = np.zeros((n, 12))
    at, right = np.arange(n), gold == said
    out[at[right], gold[right]] = 1
    out[at[~right], 4 + said[~right]] = 1
    out[at[~right], 8 + gold[~right]] = 1
    return out


def true_macro(p: float) -> float:
    false = ((1 - LABELS) * (1 - p)) - (1 - LABELS) * (1 - p) * 2 / 3
    return float(np.mean(2 * LABELS * p / (LABELS * p + LABELS + false)))


def bleu_rows(n: int, p: float) -> Matrix:
    """(n, 10): length of answer and reference, then matches and n-grams of sizes 1 to 4. A row's
    quality is a draw around p; an n-gram of size k matches with its (1 + (k - 1) / 2)th power.
    """
    length = 5 + rng.poisson(12, n)
    quality = rng.beta(6 * p, 6 * (1 - p), n)
    counts = np.stack([length - size for size in range(4)], axis=1)
    chance = quality[:, None] ** (1 + np.arange(4) / 2)
    hits = rng.binomial(counts, chance)
    other = np.maximum(1, length + rng.integers(-2, 3, n))
    return np.concatenate([length[:, None], other[:, None], hits, counts], axis=1).astype(float)


def bleu(sums: Matrix) -> Matrix:
    """BLEU without smoothing, 0 to 100 (Papineni et al. 2002)."""
    with np.errstate(divide="ignore"):
        precision = np.log(sums[:, 2:6] / sums[:, 6:10]).mean(axis=1)
    return 100 * np.exp(precision + np.minimum(0, 1 - sums[:, 1] / sums[:, 0]))


def graded(rows: Matrix, binary: bool) -> Measure:
    return mean_of("m", rows.tolist(), binary=binary, scale=SHARE)


def corpus(statistics: Matrix, combine: Callable[[Matrix], Matrix]) -> Measure:
    everyone = np.ones(len(statistics), dtype=np.bool_)
    scale = POINTS if combine is bleu else SHARE
    return Measure("m", statistics, combine, everyone, scale=scale)


# Other methods.


def by_percentile(measure: Measure) -> Ends:
    """The rule until November 2026."""
    value = float(measure.combine(measure.statistics.sum(axis=0, keepdims=True))[0])
    scores = measure.combine(resampled_sums(measure.statistics, RULE.samples, seed()))
    return percentile(scores, value, RULE.confidence)


def by_t(rows: Matrix) -> Ends:
    spread = stats.t.ppf(0.975, len(rows) - 1) * rows.std(ddof=1) / math.sqrt(len(rows))
    return rows.mean() - spread, rows.mean() + spread


def by_studentised(rows: Matrix) -> Ends:
    """Bootstrap of (mean - true mean) / its own standard error (Efron and Tibshirani 1993)."""
    both = np.stack([rows, rows**2], axis=1)
    mean, square = resampled_sums(both, RULE.samples, seed()).T / len(rows)
    own = np.sqrt(np.maximum(square - mean**2, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(own > 0, (mean - rows.mean()) / own, 0.0)
    low, high = np.quantile(t, [0.975, 0.025])
    return rows.mean() - low * rows.std(), rows.mean() - high * rows.std()


def by_bca(rows: Matrix) -> Ends:
    """BCa (Efron 1987) with a pseudo row at each bound."""
    padded = np.concatenate([rows, [0.0, 1.0]])
    drawn = np.sort(resampled_sums(padded[:, None], RULE.samples, seed())[:, 0]) / len(padded)
    away = padded - padded.mean()
    skew = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    below = np.clip((drawn < padded.mean()).mean(), 0.002, 0.998)
    shift = stats.norm.ppf(below) + np.array([-1.96, 1.96])
    at = stats.norm.cdf(stats.norm.ppf(below) + shift / (1 - skew * shift))
    low, high = np.quantile(drawn, at)
    return float(low), float(high)


def by_bayes(rows: Matrix) -> Ends:
    """Bayesian bootstrap with half a pseudo row at each bound: Jeffreys' interval of 0/1 rows."""
    weights = rng.standard_gamma(1.0, (RULE.samples, len(rows)))
    ends = rng.standard_gamma(0.5, (RULE.samples, 2))
    means = (weights @ rows + ends[:, 1]) / (weights.sum(axis=1) + ends.sum(axis=1))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def by_pseudo_pairs(rows: Matrix) -> Ends:
    """Of differences: one more row each way, as large as discordant rows are (Bonett and Price
    2012 for 0/1 rows)."""
    discordant = rows[rows != 0]
    size = math.sqrt((discordant**2).mean()) if len(discordant) else 1.0
    return by_t(np.concatenate([rows, [-size, size]]))


def seed() -> int:
    return int(rng.integers(2**31))


def ours(measure: Measure) -> Ends:
    everyone = np.ones(len(measure.counted), dtype=np.bool_)
    value, _ = value_of(measure, everyone)
    (found,) = intervals([measure], [value], everyone, RULE, seed(), groups=alone(measure))
    return found.low, found.high


def ours_paired(measure: Measure, theirs: Measure) -> Ends:
    sides = measure.statistics, theirs.statistics
    found = difference_interval(measure, *sides, RULE, seed(), groups=alone(measure))
    return found.low, found.high


def alone(measure: Measure) -> NDArray[np.int64]:
    """Every row a group of its own."""
    return np.arange(len(measure.counted))


# The tables.


def line(name: str, n: int, p: str, truth: float, runs: list[list[Ends]]) -> str:
    held = np.array([[a - 1e-9 <= truth <= b + 1e-9 for a, b in each] for each in runs])
    width = np.mean([each[-1][1] - each[-1][0] for each in runs])
    cover = held.mean(axis=0)
    error = math.sqrt(max(cover[-1] * (1 - cover[-1]), 1 / len(runs)) / len(runs))
    cells = "".join(f"{value:9.3f}" for value in cover)
    return f"{name:13}{n:5} {p:>10}{cells}  +-{error:.3f}  width {width:.3f}"


def single(runs: int) -> Iterator[str]:
    yield "\nmeans of rows            percent.        t   stud.b.  BCa ps.    Bayes   runner"
    kinds = {"0/1": zero_one, **GRADED}
    for name, draw in kinds.items():
        for n in SIZES:
            for p in SHARES:
                found = []
                for _ in range(runs if n < 200 else runs // SLOW):
                    rows = draw(n, p)
                    measure = graded(rows, name == "0/1")
                    others = [by_t, by_studentised, by_bca, by_bayes]
                    found.append(
                        [by_percentile(measure), *(way(rows) for way in others), ours(measure)]
                    )
                yield line(name, n, f"{p:.2f}", p, found)


def corpora(runs: int) -> Iterator[str]:
    yield "\ncorpus scores            percent.   runner"
    for name, draw, combine in (("macro F1", confusion, _macro), ("BLEU", bleu_rows, bleu)):
        for n in SIZES:
            for p in SHARES:
                truth = true_of(draw, combine, p)
                found = []
                for _ in range(max(50, runs // SLOW)):
                    measure = corpus(draw(n, p), combine)
                    found.append([by_percentile(measure), ours(measure)])
                yield line(name, n, f"{truth:.2f}", truth, found)


def true_of(
    draw: Callable[[int, float], Matrix], combine: Callable[[Matrix], Matrix], p: float
) -> float:
    if combine is _macro:
        return true_macro(p)
    return float(combine(draw(400_000, p).sum(axis=0, keepdims=True))[0])


def paired(runs: int) -> Iterator[str]:
    yield "\npaired differences       percent.        t   pseudo   runner"
    for name, draw in {"0/1": zero_one, **GRADED}.items():
        for n in SIZES:
            for p, q in PAIRS:
                found = []
                for _ in range(runs if n < 200 else runs // SLOW):
                    one, other = draw(n, p), draw(n, q)
                    if p == q:  # arms that mostly say the same: few discordant rows
                        one = np.where(rng.random(n) < 0.7, other, one)
                    pair = [graded(rows, name == "0/1") for rows in (one, other)]
                    away = one - other
                    today = by_percentile(graded(away, False))
                    found.append([today, by_t(away), by_pseudo_pairs(away), ours_paired(*pair)])
                yield line(name, n, f"{p:.2f}-{q:.2f}", p - q, found)
    yield "\npaired corpus scores     percent.   runner"
    for name, draw, combine in (("macro F1", confusion, _macro), ("BLEU", bleu_rows, bleu)):
        for n in SIZES[:-1]:
            for p, q in PAIRS:
                truth = true_of(draw, combine, p) - true_of(draw, combine, q)
                found = []
                for _ in range(max(50, runs // SLOW)):
                    one, other = draw(n, p), draw(n, q)
                    if p == q:
                        one = np.where(rng.random((n, 1)) < 0.7, other, one)
                    both = corpus(np.concatenate([one, other], axis=1), difference_of(combine))
                    pair = [corpus(rows, combine) for rows in (one, other)]
                    found.append([by_percentile(both), ours_paired(*pair)])
                yield line(name, n, f"{truth:+.3f}", 0.0 if p == q else truth, found)


def grouped(runs: int) -> Iterator[str]:
    """20 arms without any gain against one that is as good, on 0/1 and graded rows in groups of
    10: arms are good at some groups and bad at others. An arm is `better` as in a verdict: interval
    above 0 and p below .05, by itself (`any`) and after Holm's correction (`Holm`)."""
    yield "\ngroups of 10, 20 arms   by   any   Holm   one arm   cover of score   of difference"
    for kind in ("0/1", "graded"):
        for count in (10, 20, 40):
            ids = np.repeat(np.arange(count), 10)
            each = {"row": np.arange(count * 10), "group": ids}
            seen: dict[str, list[Matrix]] = {way: [] for way in each}
            for _ in range(max(50, runs // (2 * SLOW))):
                arms = [in_groups(kind, ids) for _ in range(21)]
                for way, groups in each.items():
                    seen[way].append(sweep(kind, arms, groups))
            for way, found in seen.items():
                shares = np.mean(found, axis=0)
                error = math.sqrt(max(0.01, shares[0] * (1 - shares[0])) / len(found))
                cells = "".join(f"{share:9.3f}" for share in shares)
                yield f"{kind:7} {count:3} groups {way:>6}{cells}  +-{error:.3f}"


def in_groups(kind: str, ids: NDArray[np.int64]) -> Matrix:
    """Rows with mean .7 and a correlation of about .3 within a group."""
    level = rng.beta(1.63, 0.7, ids.max() + 1)[ids]
    if kind == "0/1":
        return (rng.random(len(ids)) < level).astype(np.float64)
    return np.clip(level + rng.uniform(-1, 1, len(ids)) * np.minimum(level, 1 - level), 0, 1)


def sweep(kind: str, arms: list[Matrix], groups: NDArray[np.int64]) -> Matrix:
    """Whether any arm is better, whether any is after Holm, the share that is, and what of the
    scores' and the differences' intervals hold the truth."""
    binary, truth = kind == "0/1", 1.63 / 2.33
    base, *others = (graded(rows, binary) for rows in arms)
    held, apart, p_values, cover = [], [], [], []
    for arm in others:
        value, _ = value_of(arm, arm.counted)
        (own,) = intervals([arm], [value], arm.counted, RULE, 1, groups=groups)
        held.append(own.low <= truth <= own.high)
        sides = arm.statistics, base.statistics
        found = difference_interval(arm, *sides, RULE, 1, groups=groups)
        one, other = (by_group(side, groups) for side in sides)
        change = one[:, 0] - other[:, 0]
        if binary and len(one) == len(groups):
            p = mcnemar(int((change > 0).sum()), int((change < 0).sum()))
        else:
            p = swap_test(one, other, arm.combine, 1)
        apart.append(found.low > 0)
        p_values.append(p)
        cover.append(found.low <= 0 <= found.high)
    alone = np.array(apart) & (np.array(p_values) < 0.05)
    corrected = np.array(apart) & (np.array(holm_adjusted(p_values)) < 0.05)
    shares = [alone.any(), corrected.any(), alone.mean(), np.mean(held), np.mean(cover)]
    return np.array(shares, dtype=np.float64)


def difference_of(combine: Callable[[Matrix], Matrix]) -> Callable[[Matrix], Matrix]:
    def difference(sums: Matrix) -> Matrix:
        width = sums.shape[1] // 2
        return combine(sums[:, :width]) - combine(sums[:, width:])

    return difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--tables", default="single,corpora,paired,grouped")
    arguments = parser.parse_args()
    tables = {"single": single, "corpora": corpora, "paired": paired, "grouped": grouped}
    started = time.process_time()
    for name in arguments.tables.split(","):
        for text in tables[name](arguments.runs):
            print(text, flush=True)
    print(f"\n{time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main()
