"""Near-duplicates among rows of several kinds and numbers, beside rensa, datasketch and fast-dedup.

    python benchmarks/dedup_kinds.py --peers PYTHON [--rounds 5] [--kinds short template]

    short      11 words a row, of 20,000 different ones
    template   48 words a row, of which 40 are the same in all rows: a classification prompt
    code       Python functions, from the library of this interpreter
    chinese    some 80 characters, of 8,000 words as frequent as words are (Zipf)

A tenth of the rows repeat another one with a word (a character) changed. Everyone gets the same
texts, in memory, and does: 3-grams of words (5-grams of characters for Chinese), 128 permutations,
bands, what repeats. `fast_dedup` only signs: the package has no index and tells no signature, so
nothing could be found with it but by comparing all pairs.

CPU seconds (user and system, all threads), each contender in a process of its own, rounds
interleaved, ratios formed within a round. Who takes longer than `--patience` seconds is stopped,
and its ratio is a lower bound.

Published elsewhere, and not run here: fastdedup (Rust, wapplewhite4/fastdedup, its README) says
36 min 44 s of 5.5 cores and 23 GB for 14.9 million documents, 29 GB of FineWeb as Parquet.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import random
import statistics
import string
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path
from typing import Any

from dedup_fuzzy import PERMUTATIONS, THRESHOLD, bulk, rensa
from memory import touch

SEED, WORDS, CHARACTERS = 17, 3, 5
REPEATED = 0.1
PACKAGES = ("numpy", "numba", "rensa", "datasketch", "fast-dedup", "xxhash")


def vocabulary(draw: random.Random, size: int) -> list[str]:
    return [
        "".join(draw.choices(string.ascii_lowercase, k=draw.randint(3, 9))) for _ in range(size)
    ]


def short(draw: random.Random) -> Iterator[str]:
    words = vocabulary(draw, 20_000)
    while True:
        yield " ".join(draw.choices(words, k=11))


def template(draw: random.Random) -> Iterator[str]:
    words = vocabulary(draw, 20_000)
    head, tail = (" ".join(draw.choices(words, k=size)) for size in (30, 10))
    while True:
        yield f"{head} {' '.join(draw.choices(words, k=8))} {tail}"


def code(draw: random.Random) -> Iterator[str]:
    found = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (ValueError, SyntaxError):
            continue
        lines = text.splitlines()
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.append("\n".join(lines[node.lineno - 1 : node.end_lineno]))
    draw.shuffle(found)
    yield from dict.fromkeys(found)


def chinese(draw: random.Random) -> Iterator[str]:
    letters = [chr(point) for point in range(0x4E00, 0x4E00 + 3000)]
    words = ["".join(draw.choices(letters, k=draw.randint(1, 3))) for _ in range(8000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    while True:
        yield "".join(draw.choices(words, cum_weights=weights, k=40))


KINDS: dict[str, Callable[[random.Random], Iterator[str]]] = {
    kind.__name__: kind for kind in (short, template, code, chinese)
}
SIZES = {
    "short": (1000, 5000, 20_000, 55_000, 75_000),
    "template": (1000, 5000, 20_000),
    "code": (5000, 20_000),
    "chinese": (5000, 20_000),
}


def rows_of(kind: str, count: int) -> list[str]:
    """The same for the same kind, number and interpreter; fewer where there is no more code."""
    draw = random.Random(SEED)
    fresh, out = KINDS[kind](draw), list[str]()
    while len(out) < count:
        if out and draw.random() < REPEATED:
            out.append(changed(draw.choice(out), kind, draw))
        elif (text := next(fresh, None)) is not None:
            out.append(text)
        else:
            break
    return out


def changed(text: str, kind: str, draw: random.Random) -> str:
    if kind == "chinese":
        at = draw.randrange(len(text))
        return text[:at] + chr(draw.randrange(0x4E00, 0x5000)) + text[at + 1 :]
    words = text.split(" ")
    words[draw.randrange(len(words))] = "changed"
    return " ".join(words)


def by_words(text: str) -> Iterator[str]:
    words = text.split()
    return (" ".join(words[at : at + WORDS]) for at in range(max(1, len(words) - WORDS + 1)))


def by_characters(text: str) -> Iterator[str]:
    return (text[at : at + CHARACTERS] for at in range(max(1, len(text) - CHARACTERS + 1)))


def engine(texts: list[str], cut: Any) -> int:
    from runner.kernels.minhash import MinHashSettings, near_clusters

    found = near_clusters(texts, MinHashSettings(threshold=THRESHOLD), threads=1)
    return sum(len(cluster.members) for cluster in found)


def by_bulk(texts: list[str], cut: Any) -> int:
    return sum(root != row for row, root in enumerate(bulk(texts, cut)))


def by_rensa(texts: list[str], cut: Any) -> int:
    return sum(root >= 0 for root in rensa(texts, cut))


def fast_dedup(texts: list[str], cut: Any) -> int:
    from fast_dedup import MinHash

    for text in texts:
        sketch = MinHash(PERMUTATIONS)
        for shingle in set(cut(text)):
            sketch.update(shingle)
    return -1


CONTENDERS: dict[str, Callable[[list[str], Any], int]] = {
    "engine": engine,
    "rensa": by_rensa,
    "bulk": by_bulk,
    "fast_dedup": fast_dedup,
}


def work(name: str, file: Path, kind: str) -> None:
    """One contender's run, in this process, after a short one that loads everything."""
    texts = json.loads(file.read_text(encoding="utf-8"))
    cut = by_characters if kind == "chinese" else by_words
    CONTENDERS[name](texts[:50], cut)
    clock, cpu = time.perf_counter(), time.process_time()
    removed = CONTENDERS[name](texts, cut)
    spent = {"wall": time.perf_counter() - clock, "cpu": time.process_time() - cpu}
    print(json.dumps({**spent, "removed": removed}))


def one_run(name: str, file: Path, kind: str, arguments: argparse.Namespace) -> dict[str, float]:
    python = sys.executable if name == "engine" else arguments.peers
    given = [python, __file__, "--work", name, str(file), kind]
    try:
        done = subprocess.run(
            given, check=True, stdout=subprocess.PIPE, text=True, timeout=arguments.patience
        )
    except subprocess.TimeoutExpired:
        return {"wall": arguments.patience, "cpu": arguments.patience, "removed": -2}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(kind: str, count: int, folder: Path, arguments: argparse.Namespace) -> None:
    """All contenders, round by round; one that lost patience is not asked again."""
    texts, file = rows_of(kind, count), folder / "texts.json"
    file.write_text(json.dumps(texts), encoding="utf-8")
    size = sum(len(text.encode()) for text in texts)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.contenders}
    for _ in range(arguments.rounds):
        for name, rounds in results.items():
            late = rounds and rounds[-1]["removed"] == -2
            rounds.append(rounds[-1] if late else one_run(name, file, kind, arguments))
    print(f"\n{kind}: {len(texts):,} rows, {size / 1e6:.1f} MB")
    first = next(iter(results.values()))
    for name, rounds in results.items():
        cpu, wall = (statistics.median(one[what] for one in rounds) for what in ("cpu", "wall"))
        ratios = sorted(one["cpu"] / base["cpu"] for one, base in zip(rounds, first, strict=True))
        removed = int(rounds[-1]["removed"])
        said = {-1: "signs only", -2: "stopped"}.get(removed, f"{removed:,} repeat")
        print(
            f"  {name:11}{cpu:9.3f} CPU s{wall:9.3f} s   {statistics.median(ratios):7.1f} "
            f"({ratios[0]:.1f}-{ratios[-1]:.1f}) times the first's   {said}",
            flush=True,
        )


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", type=int, nargs="+", help="instead of the kind's own")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=120.0)
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--versions", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.versions:
        return print(json.dumps(versions()))
    if arguments.work:
        name, file, kind = arguments.work
        return work(name, Path(file), kind)
    given = [arguments.peers, __file__, "--versions"]
    peers = subprocess.run(given, check=True, capture_output=True, text=True).stdout.strip()
    print(f"{sys.argv}\nhere {json.dumps(versions())}\npeers {peers}\nload {os.getloadavg()}")
    touch()
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            for count in arguments.sizes or SIZES[kind]:
                compare(kind, count, Path(folder), arguments)
    return None


if __name__ == "__main__":
    main()
