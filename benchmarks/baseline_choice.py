"""Which rows choose the untuned arm to beat: false verdicts, power and bias of the gain.

    python benchmarks/baseline_choice.py [--trials 4000] [--rows 400] [--validation 100]

One tuned arm, fixed before the test rows are looked at, and k untuned ones. Three rules:

- test: the best untuned arm on the test rows is the bar, its p is taken as it is;
- counted: the same, and p of a loss times k (``baseline.chosen_on: test``);
- validation: the best on other rows, p as it is, and no gain over it counts while another untuned
  arm scores better than the tuned one on test (``baseline.chosen_on: validation``). "ungated":
  without that last condition.

First all arms are equally good, so every verdict is false and every gain a bias. Answers are those
of really trained runs (`recipe_bank.py`); on each row they are handed to the arms at random, which
makes the arms the same and keeps how rows go together. Or they are drawn: an arm is right where a
difficulty it shares with the others, and luck of its own, are below a bar (a Gaussian threshold
model), with the correlation of 0/1 answers that evaluations of GSM8K (.4) and near-identical
models (.7) have. Then arms that differ: one untuned arm as good as the tuned one and the others
worse ("pays" is false: one need not tune), and all untuned ones worse ("pays" is power).

A verdict is the runner's: exact McNemar and Newcombe's interval, both at 5 %. Ends are 95 %
intervals, Wilson's of shares and normal ones of gains.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from runner.config import Bootstrap
from runner.statistics.intervals import difference_interval, wilson
from runner.statistics.measure import share_of
from runner.statistics.significance import mcnemar

BANK = Path(__file__).parent / "banks" / "intents.npz"
RULES = ("test", "counted", "validation", "ungated")
ALPHA = 0.05
SHARE = 0.6
"""Right answers of an arm in the threshold model."""

Answers = NDArray[np.bool_]
Draw = Callable[[np.random.Generator, int, int], Answers]
"""Arms and rows to (arms, rows) right or wrong, the tuned arm first."""


@dataclass
class Tally:
    """Of one rule in one cell."""

    hurts: int = 0
    pays: int = 0
    gains: list[float] = field(default_factory=list)


@cache
def bank() -> Answers:
    found = np.load(BANK)
    return np.asarray(found["rank_190"] == 1)


def exchanged(rng: np.random.Generator, arms: int, rows: int) -> Answers:
    """Answers of runs of one recipe, on each row in another order."""
    every = bank()
    runs = rng.choice(len(every), arms, replace=False)
    taken = rng.choice(every.shape[1], rows, replace=False)
    return rng.permuted(every[np.ix_(runs, taken)], axis=0)


def drawn(correlation: float, worse: Sequence[float] = ()) -> Draw:
    """The threshold model; untuned arm n has `worse[n]` less right answers than the tuned one, the
    last of `worse` standing for all others."""
    shared = latent(correlation)
    bars = [NormalDist().inv_cdf(SHARE - less) for less in (0.0, *worse)]

    def draw(rng: np.random.Generator, arms: int, rows: int) -> Answers:
        luck = rng.standard_normal((arms, rows)) * np.sqrt(1 - shared)
        bar = np.array([bars[min(at, len(bars) - 1)] for at in range(arms)])
        return np.asarray(rng.standard_normal(rows) * np.sqrt(shared) + luck < bar[:, None])

    return draw


@lru_cache
def latent(correlation: float) -> float:
    """The correlation of the two normal numbers of whose signs that of 0/1 answers comes."""
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 400_000))
    bar, low, high = NormalDist().inv_cdf(SHARE), 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        second = middle * one + np.sqrt(1 - middle**2) * other
        found = np.corrcoef(one < bar, second < bar)[0, 1]
        low, high = (middle, high) if found < correlation else (low, middle)
    return low


cached_mcnemar = cache(mcnemar)


def apart(ours: Answers, theirs: Answers) -> bool:
    measure = share_of("right", [])
    sides = [np.stack([side.astype(float), np.ones(len(side))], axis=1) for side in (ours, theirs)]
    found = difference_interval(
        measure, sides[0], sides[1], Bootstrap(), 0, groups=np.arange(len(ours))
    )
    return found.low > 0 or found.high < 0


def simulate(
    draw: Draw, untuned: int, test: int, validation: int, trials: int, seed: int
) -> dict[str, Tally]:
    rng = np.random.default_rng([seed, untuned, test, validation])
    tallies = {rule: Tally() for rule in RULES}
    for _ in range(trials):
        answers = draw(rng, untuned + 1, test + validation)
        on_validation, on_test = answers[:, :validation], answers[:, validation:]
        tuned, others = on_test[0], on_test[1:]
        bars = {
            "test": int(others.mean(axis=1).argmax()),
            "validation": int(on_validation[1:].mean(axis=1).argmax()),
        }
        for chosen_on, bar in bars.items():
            wins = int((tuned & ~others[bar]).sum())
            losses = int((~tuned & others[bar]).sum())
            p, gain = cached_mcnemar(wins, losses), (wins - losses) / test
            hurts = pays = False
            if p < ALPHA and apart(tuned, others[bar]):
                hurts, pays = gain < 0, gain > 0
            ahead = bool((others.mean(axis=1) > tuned.mean()).any())
            verdicts = {
                "test": {"test": (hurts, pays), "counted": (hurts and p * untuned < ALPHA, pays)},
                "validation": {"validation": (hurts, pays and not ahead), "ungated": (hurts, pays)},
            }
            for rule, (worse, better) in verdicts[chosen_on].items():
                tallies[rule].hurts += worse
                tallies[rule].pays += better
                tallies[rule].gains.append(gain)
    return tallies


def share(count: int, of: int) -> str:
    low, high = wilson(count / of, of, 0.95)
    return f"{100 * count / of:4.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def mean(gains: Sequence[float]) -> str:
    half = 1.96 * float(np.std(gains)) / len(gains) ** 0.5
    return f"{100 * float(np.mean(gains)):+5.2f} ± {100 * half:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--validation", type=int, nargs="+", default=[100])
    parser.add_argument("--untuned", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    cells: dict[str, Draw] = {
        "equal, trained runs": exchanged,
        "equal, correlation .4": drawn(0.4),
        "equal, correlation .7": drawn(0.7),
        "one as good, the others 5 points worse, correlation .4": drawn(0.4, (0.0, 0.05)),
        "one as good, the others 10 points worse, correlation .4": drawn(0.4, (0.0, 0.10)),
        "all untuned 5 points worse, correlation .4": drawn(0.4, (0.05,)),
        "all untuned 10 points worse, correlation .4": drawn(0.4, (0.10,)),
    }
    print(f"{options.rows} test rows, {options.trials} trials a line, shares in %, gains in points")
    for name, draw in cells.items():
        for validation in options.validation:
            print(f"\n{name}; {validation} validation rows")
            print("k | rule       | hurts             | pays              | mean gain")
            for untuned in options.untuned:
                if "one as good" in name and untuned < 2:
                    continue
                found = simulate(
                    draw, untuned, options.rows, validation, options.trials, options.seed
                )
                for rule, tally in found.items():
                    rates = [share(count, options.trials) for count in (tally.hurts, tally.pays)]
                    line = f"{rates[0]:17} | {rates[1]:17} | {mean(tally.gains)}"
                    print(f"{untuned} | {rule:10} | {line}", flush=True)
    print(json.dumps({"numpy": np.__version__, "python": platform.python_version()}))


if __name__ == "__main__":
    main()
