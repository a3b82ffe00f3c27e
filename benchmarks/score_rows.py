"""What it costs to score many answers and to compare two arms: CPU seconds and memory.

    python benchmarks/score_rows.py [--rows 100000] [--groups 0]

Exact match and token F1 of short answers (one to eight words); the arms differ in a tenth and a
fifth of the words. Each step's CPU seconds include its imports.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable
from typing import TypeVar

from runner.config import Suite
from runner.evaluation import compare, score
from runner.records import Example, Origin, Prediction, Turn

T = TypeVar("T")
WORDS = [f"word{number}" for number in range(2000)]
SUITE = {
    "name": "rows",
    "metrics": [{"kind": "exact_match"}, {"kind": "token_f1"}],
    "primary": "token_f1",
    "normalize": ["lower", "ascii_punctuation", "articles", "whitespace"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--groups", type=int, default=0, help="0: every row by itself")
    asked = parser.parse_args()
    suite = Suite.model_validate(SUITE)
    examples = rows(asked.rows, asked.groups)
    answers = [answered(examples, wrong) for wrong in (0.1, 0.2)]
    one, other = (
        timed("score", lambda at=each: score(examples, at, suite, "test", 1)[1]) for each in answers
    )
    for metric in ("exact_match", "token_f1"):
        found = timed(f"compare {metric}", lambda at=metric: compare(one, other, at, suite, 1))
        print(f"  {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {found.p:.2g}")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def rows(count: int, groups: int) -> list[Example]:
    rng = random.Random(1)
    return [
        Example(
            id=f"r{number:07d}",
            contents=(Turn("user", f"question {number}"),),
            target=" ".join(rng.choices(WORDS, k=rng.randint(1, 8))),
            origin=Origin("test.jsonl", number),
            group=f"g{number % groups}" if groups else "",
        )
        for number in range(count)
    ]


def answered(examples: list[Example], wrong: float) -> list[Prediction]:
    """An arm's answers; each of their words is another one with the probability `wrong`."""
    rng = random.Random(wrong)
    return [
        Prediction(
            each.id,
            " ".join(
                rng.choice(WORDS) if rng.random() < wrong else word for word in each.target.split()
            ),
        )
        for each in examples
    ]


def timed(name: str, work: Callable[[], T]) -> T:
    before = time.process_time()
    found = work()
    print(f"{name}: {time.process_time() - before:.2f} CPU s")
    return found


if __name__ == "__main__":
    main()
