"""n-gram containment of train in an evaluation set: the kernel held against Python sets.

    python benchmarks/corpus.py 100000 --out DIR
    python benchmarks/containment.py DIR 100000 --rounds 2

The first 5 % of the documents are the evaluation set, the rest is train. `kernel` is the pass over
train of `runner.kernels.ngrams`, index and tokens counted beforehand; `sets` is a set of the
evaluation n-grams and one set a train document. CPU seconds (user and system), rounds interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dedup_substring import texts_of
from memory import touch

SIZES = (8, 13)
SAMPLE = 10
"""Python sets take one train document in so many; their time is scaled by the bytes."""


def timed(work: Callable[[], Any]) -> float:
    clock = time.process_time()
    work()
    return time.process_time() - clock


def sets(evaluation: list[str], train: list[str], size: int) -> int:
    from runner.kernels.substring.alphabet import TOKEN

    def grams(text: str) -> set[tuple[str, ...]]:
        stream = TOKEN.findall(text)
        return set(zip(*(stream[at:] for at in range(size)), strict=False))

    known = set().union(*map(grams, evaluation))
    return sum(bool(grams(text) & known) for text in train)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    touch()

    from runner.kernels.ngrams import contained, index_ngrams
    from runner.kernels.substring import counted
    from runner.kernels.texts import Texts

    texts = texts_of(options.folder, options.count)
    cut = options.count // 20
    at = texts.start[cut]
    evaluation = counted(Texts(texts.data[:at].copy(), texts.start[: cut + 1].copy()))
    train = counted(Texts(texts.data[at:].copy(), texts.start[cut:] - at))
    size = len(train.texts.data) / 1e6
    some = [train.texts.text(row) for row in range(0, len(train.texts), SAMPLE)]
    known = [evaluation.texts.text(row) for row in range(cut)]
    part = sum(len(text.encode()) for text in some) / 1e6
    for ngram in SIZES:
        index = index_ngrams(evaluation, ngram)
        contained(evaluation, index, 0.7)
        kernel, plain = [], []
        for _ in range(options.rounds):
            kernel.append(timed(lambda index=index: contained(train, index, 0.7)))
            plain.append(timed(lambda ngram=ngram: sets(known, some, ngram)) * size / part)
        ratios = [theirs / ours for ours, theirs in zip(kernel, plain, strict=True)]
        found = contained(train, index, 0.7)
        print(
            f"{ngram}-grams, {size:.0f} MB: kernel {statistics.median(kernel):.2f} CPU s "
            f"({min(kernel):.2f}-{max(kernel):.2f}), {size / min(kernel):.0f} MB/s at best; "
            f"{min(ratios):.0f}-{max(ratios):.0f} x Python sets; "
            f"{int((found.best >= 0).sum()):,} documents at 0.7 and above"
        )


if __name__ == "__main__":
    main()
