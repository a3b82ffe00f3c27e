"""Repeated spans of 50 tokens: window hashes held against a suffix array of the same text.

    python benchmarks/corpus.py 10000 100000 --out DIR
    python benchmarks/dedup_substring.py DIR 100000 --rounds 2
    python benchmarks/dedup_substring.py DIR 7000 --equal

`engine` is `runner.kernels.substring`: it counts tokens, finds the windows that stand twice, and
makes spans. `divsufsort` is the peer as its documentation uses it: `pydivsufsort` on the bytes, its
LCP array by `kasai`, and the mask of bytes that repeat for 200 (its shape of the same question).
CPU seconds (user and system) of that work, each in a process of its own, rounds interleaved; ratios
are formed within a round. Memory is the growth of the process beyond the text itself, per byte of
text. `--equal` holds the engine to its suffix-array backend, token for token.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory import touch

TOKENS, BYTES = 50, 200


def texts_of(folder: Path, count: int) -> Any:
    """The corpus as the engine takes it: UTF-8 end to end."""
    import numpy as np
    import pyarrow.parquet as pq

    from runner.kernels.texts import Texts

    stored = 10 ** max(4, len(str(count - 1)))
    column = pq.read_table(folder / f"corpus-{stored}.parquet", columns=["text"])["text"]
    whole = column.combine_chunks().slice(0, count).cast("large_string")
    start = np.frombuffer(whole.buffers()[1], np.int64)[whole.offset :][: count + 1].copy()
    data = np.frombuffer(whole.buffers()[2], np.uint8)[start[0] : start[-1]].copy()
    return Texts(data, start - start[0])


def engine(texts: Any) -> int:
    from runner.kernels.substring import repeated_spans

    return len(repeated_spans(texts, TOKENS))


def divsufsort(texts: Any) -> int:
    import numpy as np
    from pydivsufsort import divsufsort as suffixes
    from pydivsufsort import kasai

    order = suffixes(texts.data)
    shared = kasai(texts.data, order)
    long = np.flatnonzero(shared[: len(order) - 1] >= BYTES)
    repeats = np.zeros(len(texts.data) + 1, np.int32)
    for places in (order[long], order[long + 1]):
        np.add.at(repeats, places, 1)
        np.add.at(repeats, np.minimum(places + BYTES, len(texts.data)), -1)
    return int((np.cumsum(repeats) > 0).sum())


CONTENDERS: dict[str, Callable[[Any], int]] = {"engine": engine, "divsufsort": divsufsort}


def peak() -> int:
    """Highest resident memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name: str, folder: Path, count: int) -> dict[str, float]:
    """One contender in this process; kernels are loaded before the clock starts."""
    texts = texts_of(folder, count)
    small = type(texts)(texts.data[: texts.start[50]].copy(), texts.start[:51].copy())
    CONTENDERS[name](small)
    before, clock = peak(), time.process_time()
    found = CONTENDERS[name](texts)
    seconds, size = time.process_time() - clock, len(texts.data)
    return {"mb": size / 1e6, "cpu": seconds, "memory": (peak() - before) / size, "found": found}


def compare(folder: Path, count: int, names: list[str], rounds: int) -> None:
    touch()
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = [sys.executable, __file__, str(folder), str(count), "--measure", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            taken[name].append(json.loads(done.stdout))
            print(f"{name:<12} {taken[name][-1]}", flush=True)
    first = [run["cpu"] for run in taken[names[0]]]
    for name in names:
        cpu = [run["cpu"] for run in taken[name]]
        ratios = [theirs / ours for theirs, ours in zip(cpu, first, strict=True)]
        size, middle = taken[name][0]["mb"], statistics.median(cpu)
        print(
            f"{name:<12} {size:.0f} MB in {middle:.2f} CPU s ({min(cpu):.2f}-{max(cpu):.2f}), "
            f"{size / middle:.1f} MB/s, {max(run['memory'] for run in taken[name]):.1f} bytes of "
            f"memory a byte, {min(ratios):.1f}-{max(ratios):.1f} x {names[0]}"
        )


def equal(folder: Path, count: int) -> None:
    """Raise AssertionError unless both backends mark the same windows."""
    from runner.kernels.substring import counted, repeats, suffix_array

    tokens = counted(texts_of(folder, count))
    for keep_first in (True, False):
        ours = repeats.repeated(tokens, TOKENS, keep_first)
        theirs = suffix_array.repeated(tokens, TOKENS, keep_first)
        assert (ours == theirs).all(), int((ours != theirs).sum())
        print(
            f"{len(tokens.texts.data) / 1e6:.1f} MB, {tokens.first[-1]:,} tokens, "
            f"keep_first={keep_first}: equal, {int(ours.sum()):,} windows repeat"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--equal", action="store_true")
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.folder, options.count)))
    elif options.equal:
        equal(options.folder, options.count)
    else:
        compare(options.folder, options.count, options.contenders, options.rounds)


if __name__ == "__main__":
    main()
