"""Near-duplicates and repeated spans of a corpus in less memory than its text takes.

    python benchmarks/corpus.py 1000000 --out DIR
    sudo python benchmarks/larger_than_memory.py DIR 1000000 --limits 0 1000

Rows are streamed from the Parquet file. Each run is put into a control group of Linux whose memory
is limited to so many MB (0: not at all): there the pages of files count as well as those of the
process, and who asks for more than can be given back is killed. The results must be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def group(limit_mb: int) -> Path | None:
    """A new control group with this limit."""
    if not limit_mb:
        return None
    old = GROUPS / "memory"
    made = (old if old.is_dir() else GROUPS) / f"larger_than_memory_{os.getpid()}_{limit_mb}"
    made.mkdir()
    name = "memory.limit_in_bytes" if old.is_dir() else "memory.max"
    (made / name).write_text(str(limit_mb << 20))
    return made


def texts(folder: Path, count: int) -> Iterator[str]:
    import pyarrow.parquet as pq

    stored = pq.ParquetFile(folder / f"corpus-{count}.parquet")
    for rows in range(stored.num_row_groups):
        for batch in stored.iter_batches(2_000, row_groups=[rows], columns=["text"]):
            yield from batch.column(0).to_pylist()


def fuzzy(folder: Path, count: int) -> list[object]:
    from runner.kernels.minhash import MinHashSettings, near_clusters

    config = MinHashSettings(threshold=0.8, ngram=5, permutations=128, unit="word")
    return list(near_clusters(texts(folder, count), config, folder=folder))


def substring(folder: Path, count: int) -> list[object]:
    from runner.kernels.substring import repeated_spans
    from runner.kernels.texts import gather

    return list(repeated_spans(gather(texts(folder, count), folder), 50))


WORK = {"fuzzy": fuzzy, "substring": substring}


def work(name: str, folder: Path, count: int, place: str) -> None:
    if place:
        (Path(place) / "cgroup.procs").write_text(str(os.getpid()))
    wall, cpu = time.perf_counter(), time.process_time()
    found = WORK[name](folder, count)
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    digest = hashlib.sha256("\n".join(map(repr, found)).encode()).hexdigest()
    print(json.dumps({**spent, "found": len(found), "digest": digest}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--limits", type=int, nargs="+", default=[0, 1000], help="MB; 0 is none")
    parser.add_argument("--work", choices=WORK, nargs="+", default=list(WORK))
    parser.add_argument("--inside", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        work(options.work[0], options.folder, options.count, options.inside)
        return
    for name in options.work:
        digests = set()
        for limit in options.limits:
            place = group(limit)
            where = ["--work", name, "--inside", str(place or "")]
            command = [sys.executable, __file__, str(options.folder), str(options.count), *where]
            done = subprocess.run(command, capture_output=True, text=True)
            if place:
                place.rmdir()
            if done.returncode:
                print(f"{name} with {limit} MB: ended with {done.returncode}\n{done.stderr[-500:]}")
                digests.add(None)
                continue
            told = json.loads(done.stdout)
            digests.add(told["digest"])
            print(
                f"{name} with {limit or 'all'} MB: {told['found']:,} found, "
                f"{told['cpu']:.1f} CPU s, {told['wall']:.1f} s",
                flush=True,
            )
        print(f"{name}: results are {'the same' if len(digests) == 1 else 'NOT the same'}")


if __name__ == "__main__":
    main()
