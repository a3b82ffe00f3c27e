"""What `sft check` takes of CPU time and memory for many rows, by model.

    python benchmarks/check_rows.py [--rows 100000] [--rounds 3] [--models tiny_random smollm2_135m]
        [--against CHECKOUT]

Writes synthetic rows of 600 bytes (60 MB for 100,000) with a system instruction and a template, and
checks them in a process of its own. `--against` interleaves another checkout of this project, run
by the same interpreter; the ratio is this one's CPU seconds over the other's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

EXPERIMENT = """\
# @package _global_
defaults:
  - override /model: {model}
name: rows
source: {{kind: files, train: train.jsonl, input: [text], target: label}}
template:
  name: intent
  system: Name the intent of the message. Answer with the intent only, in lower case.
  prompt: "Message: {{{{ text }}}}\\nIntent:"
model: {{context_tokens: 4096}}
suite: {{name: s, metrics: [{{kind: exact_match}}], primary: exact_match}}
"""


def write_rows(path: Path, rows: int) -> None:
    draw = random.Random(5)
    starts, middles = (
        ("ka", "lo", "mi", "re", "su", "to", "ne", "vi"),
        ("na", "ro", "te", "li", "s"),
    )
    words = [a + b + c for a in starts for b in middles for c in ("d", "n", "r", "st", "ing", "er")]
    with path.open("w") as out:
        for number in range(rows):
            text = f"{number} " + " ".join(draw.choices(words, k=draw.randint(60, 125)))
            label = f"intent_{draw.randrange(50)} and more of it"
            out.write(json.dumps({"text": text, "label": label}) + "\n")


def check(folder: Path, checkout: Path, model: str) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of one check from nothing."""
    (folder / "rows.yaml").write_text(EXPERIMENT.format(model=model))
    code = (
        "import resource, sys; from runner.cli import main; code = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr);"
        "sys.exit(code)"
    )
    with tempfile.TemporaryDirectory(dir=folder) as home:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code, "check", "rows.yaml", f"paths.home={home}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, float(done.stderr.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["tiny_random", "smollm2_135m"])
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    here = Path(__file__).resolve().parent.parent
    sides = {"here": here} | ({"other": options.against.resolve()} if options.against else {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "train.jsonl", options.rows)
        megabytes = (folder / "train.jsonl").stat().st_size / 1e6
        print(f"command   python {' '.join(sys.argv)}")
        print(f"rows      {options.rows:,}, {megabytes:.0f} MB")
        for model in options.models:
            spent: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(options.rounds):
                for side, checkout in sides.items():
                    seconds, peak = check(folder, checkout, model)
                    spent[side].append(seconds)
                    print(f"{model} {side}: {seconds:.1f} CPU s, {peak:.0f} MB", flush=True)
            if "other" in spent:
                ratios = [a / b for a, b in zip(spent["here"], spent["other"], strict=True)]
                print(
                    f"{model}: here / other {statistics.median(ratios):.2f} "
                    f"[{min(ratios):.2f}, {max(ratios):.2f}]"
                )
    print(f"versions  Python {platform.python_version()}, tokenizers {version('tokenizers')}")


if __name__ == "__main__":
    main()
