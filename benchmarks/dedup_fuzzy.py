"""Near-duplicates end to end, held against datasketch, rensa and text-dedup in one run.

    python benchmarks/corpus.py 10000 100000 1000000 --out DIR
    python benchmarks/dedup_fuzzy.py DIR 10000 --contenders engine loop bulk rensa text_dedup
    python benchmarks/dedup_fuzzy.py DIR 100000 --contenders engine engine2 bulk rensa
    python benchmarks/dedup_fuzzy.py DIR 10000 100000 1000000 --contenders engine --figure FILE

Everyone gets the same documents, lower-cased and in memory, and does: word 5-grams, 128
permutations, bands, clusters. Times are CPU seconds (user and system, all threads) of that work,
each contender in a process of its own, rounds interleaved (A B C A B C ...); ratios are formed
within a round; `best` is the shortest wall time of all rounds, the quietest moment of a shared
machine. Peers run in the interpreter that has them (`--peers PYTHON`). Recall and false
merges are held against the planted truth.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from memory import touch

PERMUTATIONS, BANDS, ROWS, NGRAM, THRESHOLD = 128, 16, 8, 5, 0.8

Cut = Callable[[str], Iterator[str]]
"""From a text to its shingles."""


def runs(text: str) -> Iterator[str]:
    words = text.split()
    return (" ".join(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1)))


def joined(pairs: Iterator[tuple[int, int]], count: int) -> list[int]:
    """The smallest document of each one's cluster."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, two in pairs:
        first, second = sorted((root(one), root(two)))
        parent[second] = first
    return [root(row) for row in range(count)]


def engine(column: Any, threads: int = 1) -> list[int]:
    from runner.kernels.minhash import MinHashSettings, from_arrow, near_clusters

    config = MinHashSettings(
        threshold=THRESHOLD, ngram=NGRAM, permutations=PERMUTATIONS, unit="word"
    )
    found = near_clusters(from_arrow(column), config, threads=threads)
    roots = list(range(len(column)))
    for cluster in found:
        for near in cluster.members:
            roots[near.row] = cluster.kept
    return roots


def engine2(column: Any) -> list[int]:
    return engine(column, 2)


def loop(texts: list[str]) -> list[int]:
    """datasketch as its documentation begins: one `update` a shingle."""
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(params=(BANDS, ROWS), num_perm=PERMUTATIONS)
    sketches = []
    for row, text in enumerate(texts):
        sketch = MinHash(PERMUTATIONS)
        for shingle in set(runs(text)):
            sketch.update(shingle.encode())
        sketches.append(sketch)
        lsh.insert(row, sketch)
    return _queried(lsh, sketches)


def bulk(texts: list[str], cut: Cut = runs) -> list[int]:
    """datasketch's fastest: `bulk`, xxh32 and LeanMinHash."""
    import xxhash
    from datasketch import LeanMinHash, MinHash, MinHashLSH

    lsh, sketches = MinHashLSH(params=(BANDS, ROWS), num_perm=PERMUTATIONS), []
    sets = ([run.encode() for run in set(cut(text))] for text in texts)
    made = MinHash.generator(sets, num_perm=PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest)
    for row, sketch in enumerate(made):
        sketches.append(LeanMinHash(sketch))
        lsh.insert(row, sketches[-1], check_duplication=False)
    return _queried(lsh, sketches)


def _queried(lsh: Any, sketches: list[Any]) -> list[int]:
    def pairs() -> Iterator[tuple[int, int]]:
        for row, sketch in enumerate(sketches):
            for other in lsh.query(sketch):
                if other < row and sketch.jaccard(sketches[other]) >= THRESHOLD:
                    yield other, row

    return joined(pairs(), len(sketches))


def rensa(texts: list[str], cut: Cut = runs) -> list[int]:
    """`RMinHashDeduplicator` as in rensa's README; it tells what it would drop, not of what."""
    from rensa import RMinHashDeduplicator

    dedup = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True)
    keep = dedup.add_pairs((str(row), list(cut(text))) for row, text in enumerate(texts))
    return [-1 if kept else row for row, kept in enumerate(keep)]


def text_dedup(texts: list[str]) -> list[int]:
    """text-dedup's own `embed_func` and its clustering, without the dataset around it."""
    from collections import defaultdict

    import numpy as np
    from text_dedup import minhash

    top, prime = np.uint32((1 << 32) - 1), np.uint64((1 << 61) - 1)
    draw = np.random.RandomState(42)
    permutations = tuple(draw.randint(low, prime, PERMUTATIONS, dtype=np.uint64) for low in (1, 0))
    ranges = [(at * ROWS, at * ROWS + ROWS) for at in range(BANDS)]
    tables: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in range(BANDS)]
    for row, text in enumerate(texts):
        found = minhash.embed_func(
            text, row, num_perm=PERMUTATIONS, ngram_size=NGRAM, min_length=0, hashranges=ranges,
            permutations=permutations, hash_func=minhash.xxh3_32hash, dtype=np.uint64,
            max_hash=top, modulo_prime=prime,
        )  # fmt: skip
        for table, key in zip(tables, found["__signatures__"], strict=True):
            table[key].append(row)
    buckets = (rows for table in tables for rows in table.values())
    return joined(((rows[0], row) for rows in buckets for row in rows[1:]), len(texts))


CONTENDERS: dict[str, Callable[[Any], list[int]]] = {
    work.__name__: work for work in (engine, engine2, loop, bulk, rensa, text_dedup)
}


def lowered(corpus: Path) -> Any:
    """The documents in lower case, as one array, made without ever holding them twice."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    def columns() -> Iterator[Any]:
        for batch in pq.ParquetFile(corpus).iter_batches(20_000):
            yield pc.utf8_lower(batch.column(0)).cast(pa.large_string())

    lengths = [pc.binary_length(column).to_numpy() for column in columns()]
    start = np.concatenate(([0], np.cumsum(np.concatenate(lengths), dtype=np.int64)))
    data, at = np.empty(start[-1], np.uint8), 0
    for column in columns():
        _, offsets, part = column.buffers()
        low, high = np.frombuffer(offsets, np.int64)[[0, len(column)]]
        data[at : at + high - low] = np.frombuffer(part, np.uint8)[low:high]
        at += high - low
    return pa.LargeStringArray.from_buffers(len(start) - 1, pa.py_buffer(start), pa.py_buffer(data))


def work(name: str, corpus: Path, out: Path) -> None:
    """One contender's run, in this process."""
    column = lowered(corpus)
    if name.startswith("engine"):
        from runner.kernels.minhash import kernels  # the code is compiled once a machine

        assert kernels
        given: Any = column
    else:
        given = column.to_pylist()
    loaded = _peak_mb()
    clock, cpu = time.perf_counter(), time.process_time()
    roots = CONTENDERS[name](given)
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - clock}
    out.write_text(json.dumps({**spent, "peak_mb": _peak_mb(), "loaded_mb": loaded}))
    out.with_suffix(".roots").write_text(json.dumps(roots))


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def quality(roots: list[int], truth: Path) -> dict[str, float]:
    """Against what was planted. A pair is found when no more than one document of it is left;
    merged when both are in one cluster."""
    import pyarrow.parquet as pq

    rows = pq.read_table(truth).to_pylist()
    flags = -1 in roots

    def gone(row: int) -> bool:
        return roots[row] >= 0 if flags else roots[row] != row

    def found_out(pair: dict[str, Any]) -> bool:
        return gone(pair["row"]) or gone(pair["source"])

    def merged(pair: dict[str, Any]) -> bool:
        return roots[pair["row"]] == roots[pair["source"]]

    near = [pair for pair in rows if pair["kind"] == "near"]
    parts = {
        "recall_80": [pair for pair in near if pair["jaccard"] >= 0.8],
        "recall_85": [pair for pair in near if pair["jaccard"] >= 0.85],
        "merged_75": [pair for pair in near if pair["jaccard"] < 0.75],
    }
    tests = {"merged_75": merged}
    found = {
        name: sum(map(tests.get(name, found_out), part)) / len(part) for name, part in parts.items()
    }
    if flags:
        found["merged_75"] = float("nan")
    return {**found, "removed": _removed(roots, flags), "macro_f1": _macro_f1(roots, rows, flags)}


def _removed(roots: list[int], flags: bool) -> int:
    return sum(root >= 0 if flags else root != row for row, root in enumerate(roots))


def _macro_f1(roots: list[int], rows: list[dict[str, Any]], flags: bool) -> float:
    """Mean F1 of the classes duplicate and original, a document each (as CORE is scored); what
    stands in a planted pair of Jaccard 0.8 or more is a duplicate. NaN for one that only flags
    one side of a pair."""
    from collections import Counter

    if flags:
        return float("nan")
    sizes = Counter(roots)
    said = [sizes[root] > 1 for root in roots]
    true = [False] * len(roots)
    for pair in rows:
        if pair["kind"] != "span" and pair["jaccard"] >= THRESHOLD:
            true[pair["row"]] = true[pair["source"]] = True
    scores = []
    for wanted in (True, False):
        both = sum(s == t == wanted for s, t in zip(said, true, strict=True))
        scores.append(2 * both / (said.count(wanted) + true.count(wanted)))
    return sum(scores) / 2


def compare(folder: Path, count: int, arguments: argparse.Namespace) -> dict[str, list[Any]]:
    """All contenders, round by round."""
    touch()
    results: dict[str, list[Any]] = {name: [] for name in arguments.contenders}
    out = folder / "result.json"
    for _ in range(arguments.rounds):
        for name in arguments.contenders:
            own = name.startswith("engine")
            python = sys.executable if own else arguments.peers
            subprocess.run(
                [python, __file__, str(folder), str(count), "--work", name, "--out", str(out)],
                check=True,
                env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
            )
            results[name].append(json.loads(out.read_text()))
            roots = json.loads(out.with_suffix(".roots").read_text())
            results[name][-1].update(quality(roots, folder / f"truth-{count}.parquet"))
    return results


def report(count: int, size: int, results: dict[str, list[Any]]) -> None:
    first = next(iter(results.values()))
    print(
        f"\n{count:,} documents, {size / 1e6:,.1f} MB, {len(first)} rounds, load {os.getloadavg()}"
    )
    print(
        f"{'':12}{'CPU s':>8}{'wall s':>8}{'best':>7}{'MB/s':>7}{'peak MB':>9}{'work MB':>9}"
        f"{'J>=.8':>8}{'J>=.85':>8}{'J<.75':>8}{'F1':>7}{'removed':>9}  CPU / first's, by round"
    )
    for name, rounds in results.items():
        cpu = statistics.median(one["cpu"] for one in rounds)
        wall = statistics.median(one["wall"] for one in rounds)
        best = min(one["wall"] for one in rounds)
        peak = max(one["peak_mb"] for one in rounds)
        added = max(one["peak_mb"] - one["loaded_mb"] for one in rounds)
        one = rounds[-1]
        ratios = sorted(mine["cpu"] / base["cpu"] for mine, base in zip(rounds, first, strict=True))
        spread = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f}-{ratios[-1]:.1f})"
        print(
            f"{name:12}{cpu:8.2f}{wall:8.2f}{best:7.3f}{size / 1e6 / cpu:7.0f}{peak:9.0f}"
            f"{added:9.0f}{one['recall_80']:8.4f}{one['recall_85']:8.4f}{one['merged_75']:8.4f}"
            f"{one['macro_f1']:7.4f}{one['removed']:9,}  {spread}"
        )


def figure(points: list[tuple[int, float]], path: Path) -> None:
    """CPU seconds over documents, both axes logarithmic, beside a straight proportion."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts, seconds = zip(*points, strict=True)
    drawn, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.loglog(counts, seconds, "o-", label="engine, one thread")
    line = [seconds[0] * count / counts[0] for count in counts]
    axes.loglog(counts, line, ":", color="gray", label="in proportion to the first")
    axes.set(xlabel="documents", ylabel="CPU seconds", title="Near-duplicates, end to end")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    drawn.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="+")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=["engine", "bulk"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--work", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        corpus = arguments.folder / f"corpus-{arguments.count[0]}.parquet"
        return work(arguments.work, corpus, arguments.out)
    points = []
    for count in arguments.count:
        results = compare(arguments.folder, count, arguments)
        size = _text_bytes(arguments.folder / f"corpus-{count}.parquet")
        report(count, size, results)
        first = results[arguments.contenders[0]]
        points.append((count, statistics.median(one["cpu"] for one in first)))
    if arguments.figure:
        figure(points, arguments.figure)
    return None


def _text_bytes(corpus: Path) -> int:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    batches = pq.ParquetFile(corpus).iter_batches(20_000)
    return sum(pc.sum(pc.binary_length(batch.column(0))).as_py() for batch in batches)


if __name__ == "__main__":
    main()
