"""Does a verdict about recipes hold its level: false winners, power, coverage, false equivalence.

    python benchmarks/verdict_level.py [--sweeps 1000] [--rows 100 ...] [--replicates 1 ...]

Sweeps are drawn from banks of really trained runs (`recipe_bank.py`; committed as score matrices).
A sweep without a difference has ten recipes that are the same as an eleventh, each with its own
runs, all on one draw of test rows; "false" is the share of sweeps in which any of the ten is called
better than the eleventh after Holm's correction, by

- today's rule: one run each, rows alone (exact McNemar for 0/1, a paired t-test for the rest; with
  several runs, the first of each);
- the recipes' rule: `runner.statistics.recipes`, the runs' spread pooled over the sweep.

Power, coverage and false equivalence are of one pair in a sweep of eleven, whose true difference is
that of all runs in the bank on all rows. Ends are 95 % Wilson intervals. Margins of
equivalence are the true difference itself, so that every "equivalent" is just about wrong.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from runner.records import UNKNOWN
from runner.statistics.intervals import wilson
from runner.statistics.measure import Measure, mean_of
from runner.statistics.recipes import difference_estimate, row_contributions, spread_of
from runner.statistics.significance import holm_adjusted, mcnemar

BANKS = Path(__file__).parent / "banks"
ARMS = 11
ALPHA = 0.05


@dataclass
class Bank:
    """One metric: by recipe, the (runs, rows, k) statistics of all its runs."""

    name: str
    runs: dict[int, np.ndarray]
    measure: Callable[[np.ndarray], Measure]
    binary: bool = False
    width: float = 1.0

    def contributions(self, statistics: np.ndarray) -> np.ndarray:
        """(runs, rows, k) to (runs, rows)."""
        return np.stack([row_contributions(self.measure(one), one) for one in statistics])

    def score(self, size: int) -> float:
        """Of all runs on all rows."""
        every = self.runs[size].astype(float)
        return float(self.measure(every[0]).combine(every.sum(axis=1)).mean())


def banks() -> list[Bank]:
    found = np.load(BANKS / "intents.npz")
    sizes = sorted(int(name.split("_")[1]) for name in found if name.startswith("rank"))
    ranks = {size: found[f"rank_{size}"] for size in sizes}
    right = {size: _with_ones((rank == 1).astype(float)) for size, rank in ranks.items()}
    graded = {size: _with_ones(1 / rank) for size, rank in ranks.items()}
    words = np.load(BANKS / "restaurants.npz")
    texts = {int(name.split("_")[1]): words[name].astype(float) for name in words}
    return [
        Bank("exact match", right, _mean, binary=True),
        Bank("reciprocal rank", graded, _mean),
        Bank("BLEU", texts, _bleu, width=100.0),
    ]


def _with_ones(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones_like(values)], axis=-1)


def _mean(statistics: np.ndarray) -> Measure:
    return mean_of("mean", statistics[:, 0].tolist())


def _bleu(statistics: np.ndarray) -> Measure:
    return Measure("bleu", statistics, _bleu_of, np.ones(len(statistics), bool), scale=UNKNOWN)


def _bleu_of(sums: np.ndarray) -> np.ndarray:
    """Corpus BLEU of (m, 10) sums: lengths, then matches and totals of 1 to 4 words."""
    long, short, right, total = sums[:, 0], sums[:, 1], sums[:, 2:6], sums[:, 6:10]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(right / total).mean(axis=1)
        brevity = np.minimum(0.0, 1 - short / long)
    return np.nan_to_num(100 * np.exp(logs + brevity))


@dataclass
class Tally:
    """Of all sweeps of one cell."""

    false_one: int = 0
    false_any: int = 0
    power: dict[int, int] = field(default_factory=dict)
    covered: int = 0
    looked: int = 0
    equivalent: int = 0
    sweeps: int = 0


def simulate(bank: Bank, rows: int, replicates: int, sweeps: int, seed: int) -> Tally:
    rng = np.random.default_rng([seed, rows, replicates])
    sizes = sorted(bank.runs)
    base, every = sizes[0], bank.runs[sizes[0]]
    truth = {size: bank.score(size) - bank.score(base) for size in sizes[1:]}
    tally = Tally(power=dict.fromkeys(truth, 0), sweeps=sweeps)
    for _ in range(sweeps):
        taken = rng.choice(every.shape[1], size=rows, replace=False)
        drawn = rng.choice(len(every), size=ARMS * replicates, replace=False)
        statistics = every[drawn][:, taken]
        flat = bank.contributions(statistics)
        recipes = flat.reshape(ARMS, replicates, rows)
        tally.false_one += _one_run(bank, statistics[::replicates])
        if replicates < 2:
            continue
        spread = spread_of(list(recipes))
        found = [
            difference_estimate(one, recipes[0], spread, width=bank.width) for one in recipes[1:]
        ]
        corrected = holm_adjusted([one.p() for one in found])
        tally.false_any += any(
            p < ALPHA and one.value > 0 for p, one in zip(corrected, found, strict=True)
        )
        for size, true in truth.items():
            better = bank.runs[size]
            picked = rng.choice(len(better), size=replicates, replace=False)
            other = bank.contributions(better[picked][:, taken])
            spread = spread_of([*recipes, other])
            pair = difference_estimate(other, recipes[0], spread, width=bank.width)
            tally.power[size] += pair.p() < ALPHA and pair.value > 0
            low, high = pair.interval(0.95)
            tally.covered += low <= true <= high
            tally.looked += 1
            tally.equivalent += pair.equivalent(abs(true)) < ALPHA
    return tally


def _one_run(bank: Bank, statistics: np.ndarray) -> bool:
    """Whether any of ten runs is called better than the first one, by rows alone."""
    if bank.binary:
        right = statistics[:, :, 0]
        wins = [int((one > right[0]).sum()) for one in right[1:]]
        losses = [int((one < right[0]).sum()) for one in right[1:]]
        p = [mcnemar(*pair) for pair in zip(wins, losses, strict=True)]
        gains = [win - loss for win, loss in zip(wins, losses, strict=True)]
    else:
        runs = bank.contributions(statistics)
        nothing = spread_of([])
        pairs = [difference_estimate(one[None], runs[:1], nothing) for one in runs[1:]]
        p, gains = [pair.p() for pair in pairs], [pair.value for pair in pairs]
    corrected = holm_adjusted(p)
    return any(value < ALPHA and gain > 0 for value, gain in zip(corrected, gains, strict=True))


def share(count: int, of: int) -> str:
    if not of:
        return "-"
    low, high = wilson(count / of, of, 0.95)
    return f"{100 * count / of:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 200, 400, 800])
    parser.add_argument("--replicates", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--metric", nargs="+")
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    cells: list[dict[str, Any]] = []
    for bank in banks():
        if options.metric and bank.name not in options.metric:
            continue
        sizes = sorted(bank.runs)
        true = [bank.score(size) - bank.score(sizes[0]) for size in sizes[1:]]
        gains = ", ".join(f"{value:+.4g}" for value in true)
        print(f"\n{bank.name}: {bank.score(sizes[0]):.4g}; true gains {gains}")
        print("rows k | false: one run | false: recipes | power by gain | covers | equivalent")
        for rows in options.rows:
            if rows > bank.runs[sizes[0]].shape[1]:
                continue
            for count in options.replicates:
                found = simulate(bank, rows, count, options.sweeps, options.seed)
                power = " ".join(f"{hits / found.sweeps:.2f}" for hits in found.power.values())
                several = count > 1
                print(
                    f"{rows:4} {count} | {share(found.false_one, found.sweeps)} | "
                    f"{share(found.false_any, found.sweeps) if several else '-'} | "
                    f"{power if several else '-'} | {share(found.covered, found.looked)} | "
                    f"{share(found.equivalent, found.looked)}",
                    flush=True,
                )
                cells.append({"bank": bank.name, "rows": rows, "k": count, **vars(found)})
    print(json.dumps({"numpy": np.__version__, "python": platform.python_version()}))


if __name__ == "__main__":
    main()
