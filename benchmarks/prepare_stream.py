"""A million rows through sources, prepare and render: rows a second and peak memory.

    python benchmarks/prepare_stream.py [--rows 1000000] [--profile]

Writes synthetic rows with planted repeats, conflicts and leaks into a temporary folder, streams
them in a process of its own, checks that what was planted was found, and prints the figures with
versions and command. Peak memory is the process's highest resident set (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

EVERY = 10
"""One row in this many repeats an earlier one, with other case and punctuation."""
CONFLICTS = 1000
"""One row in this many repeats an earlier one with another label."""
LABELS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="stream the rows in this folder (internal)")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(stream(options.folder, options.profile)))
        return
    folder = Path(tempfile.mkdtemp(prefix="prepare_stream_"))
    try:
        planted = write_rows(folder, options.rows)
        command = [sys.executable, __file__, "--folder", str(folder)]
        command += ["--profile"] * options.profile
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        *profile, last = done.stdout.splitlines()
        print("\n".join(profile))
        report(options.rows, planted, json.loads(last))
    finally:
        shutil.rmtree(folder)


def write_rows(folder: Path, rows: int) -> dict[str, int]:
    """Train and test files; returns how many repeats, conflicts and leaks were planted."""
    draw = random.Random(17)
    words = [f"{a}{b}" for a in ("ka", "lo", "mi", "re", "su", "to") for b in range(1000)]
    planted = {"exact_duplicates": 0, "conflicting_rows": 0, "test_rows_in_train": 0}
    leaks: list[tuple[str, str]] = []
    text, label = "", ""
    with (folder / "train.jsonl").open("w") as out:
        for number in range(rows):
            if number % EVERY == EVERY - 1:
                planted["exact_duplicates"] += 1
                again = text.upper().replace(" ", "  ") + "!"
                other = f"{label}x" if number % CONFLICTS == CONFLICTS - 1 else label
                planted["conflicting_rows"] += other != label
                out.write(json.dumps({"text": again, "label": other}) + "\n")
                continue
            text = f"{number} " + " ".join(draw.choices(words, k=draw.randint(6, 24)))
            label = f"intent_{draw.randrange(LABELS)}"
            out.write(json.dumps({"text": text, "label": label}) + "\n")
            if number % 10_000 == 5:
                leaks.append((text, label))
    planted["test_rows_in_train"] = len(leaks)
    with (folder / "test.jsonl").open("w") as out:
        for number in range(max(rows // 200, 20 * len(leaks))):
            fresh = f"test {number} " + " ".join(draw.choices(words, k=12))
            text, label = leaks[number] if number < len(leaks) else (fresh, "intent_0")
            out.write(json.dumps({"text": text, "label": label}) + "\n")
    return planted


def stream(folder: Path, profile: bool) -> dict[str, Any]:
    """Both stages, timed apart."""
    from pydantic import TypeAdapter

    from runner.config import Prepare, Select, Source, Template
    from runner.prepare import check_report, prepare, render
    from runner.records import SPLITS
    from runner.sources import open_split

    paths = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    source: Source = TypeAdapter(Source).validate_python(
        {"kind": "files", "input": ["text"], "target": "label", **paths}
    )
    template = Template(
        name="intent", system="Name the intent.", prompt="Message: {{ text }}\nIntent:"
    )
    prepared, rendered = folder / "prepared", folder / "rendered"
    readers = {split: partial(open_split, source, split, 17) for split in SPLITS}

    def both() -> dict[str, float]:
        clock = [(time.perf_counter(), time.process_time())]
        prepared.mkdir()
        prepare(readers, Prepare(), source.max_bad_share, 17, prepared)
        clock.append((time.perf_counter(), time.process_time()))
        rendered.mkdir()
        render(prepared, template, Select(), 2048, 17, rendered, lambda examples: None)
        clock.append((time.perf_counter(), time.process_time()))
        (w0, c0), (w1, c1), (w2, c2) = clock
        return {"prepare": w1 - w0, "render": w2 - w1, "cpu": c2 - c0, "cpu_prepare": c1 - c0}

    seconds = _profiled(both) if profile else both()
    found = check_report(prepared, rendered)
    return {
        "seconds": seconds,
        "peak_mb": _peak_mb(),
        "found": {
            "exact_duplicates": found.train.exact_duplicates,
            "conflicting_rows": found.train.conflicting_rows,
            **found.leakage,
        },
        "rows": {split: asdict(counts) for split, counts in found.rows.items()},
    }


def _profiled(work: Any) -> Any:
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    result = profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    return result


def _peak_mb() -> float:
    """Highest resident set of this process, in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def report(rows: int, planted: dict[str, int], result: dict[str, Any]) -> None:
    missed = {name: result["found"][name] for name in planted} != planted
    seconds = result["seconds"]
    total = seconds["prepare"] + seconds["render"]
    names = ("orjson", "numpy", "jinja2", "pydantic")
    print(f"command   python {' '.join(sys.argv)}")
    print(f"versions  Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in names))
    print(f"rows      {result['rows']}")
    print(f"planted   {planted}: {'NOT ALL FOUND' if missed else 'all found'}")
    print(f"prepare   {seconds['prepare']:.1f} s, {rows / seconds['prepare']:,.0f} rows/s")
    print(f"render    {seconds['render']:.1f} s, {rows / seconds['render']:,.0f} rows/s")
    print(f"both      {total:.1f} s, {rows / total:,.0f} rows/s")
    print(f"CPU       {seconds['cpu']:.1f} s, {rows / seconds['cpu']:,.0f} rows/s of CPU time")
    print(f"peak      {result['peak_mb']:.0f} MB resident")
    if missed:
        sys.exit(f"found {result['found']}")


if __name__ == "__main__":
    main()
