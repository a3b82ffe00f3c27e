"""What 24 tiny arms take beside their training and scoring, and what a plan of 1,000 takes.

    python benchmarks/many_arms.py [--rounds 3] [--against CHECKOUT]

The quickstart's data with the tiny random model, one epoch: 3 learning rates, 2 ranks, 2 seeds, 2
sizes. Prints wall seconds of the run from its first line in the ledger to its last, the seconds of
its stages by kind, and how often each distinct data treatment was prepared. `--against` interleaves
another checkout of this project.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
SWEEP = """\
# @package _global_
defaults:
  - quickstart
  - override /model: tiny_random
  - override /tracking: none
name: {name}
baseline: {{zero_shot: true, few_shot: []}}
tuning: {{epochs: 1}}
suite:
  generation: {{max_tokens: 8}}
sweep:
  grid:
"""
GRIDS = {
    "many": {
        "tuning.learning_rate_multiplier": [0.5, 1, 2],
        "tuning.adapter_size": [4, 8],
        "seed": [1, 2],
        "prepare.select.size": [80, 120],
    },
    "thousand": {
        "tuning.learning_rate_multiplier": [number / 10 for number in range(1, 11)],
        "tuning.adapter_size": [1, 2, 4, 8, 16],
        "tuning.epochs": [*range(1, 11)],
        "prepare.select.size": [80, 120],
    },
}


def sft(checkout: Path, folder: Path, *words: str) -> tuple[float, str]:
    """Wall seconds and output of a command."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"sft {' '.join(words)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start, done.stdout


def measured(checkout: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "experiments"
        folder.mkdir()
        for path in (HERE / "experiments").iterdir():
            (folder / path.name).symlink_to(path)
        for grid, axes in GRIDS.items():
            lines = (f"    {key}: {json.dumps(values)}\n" for key, values in axes.items())
            (folder / f"{grid}.yaml").write_text(SWEEP.format(name=grid) + "".join(lines))
        wall, _ = sft(checkout, folder.parent, "run", "experiments/many.yaml")
        _, told = sft(checkout, folder.parent, "compare", "many", "--json")
        sft(checkout, folder.parent, "plan", "experiments/thousand.yaml")  # prepares the data
        planned, _ = sft(checkout, folder.parent, "plan", "experiments/thousand.yaml")
        prepared = [*folder.parent.glob("runs/store/prepare/*/artifact.json")]
        rendered = [*folder.parent.glob("runs/store/render/*/artifact.json")]
    (result,) = json.loads(told)
    seconds: Counter[str] = Counter()
    for arm in result["arms"]:
        seconds.update(arm["seconds"])
    work = seconds["tune"] + seconds["predict"] + seconds["score"]
    run = (result["ended_ms"] - result["started_ms"]) / 1000
    stages = {stage: round(each, 1) for stage, each in seconds.items()}
    return {
        "command": round(wall, 1),
        "run": round(run, 1),
        "stages": stages,
        "run / tune + predict + score": round(run / work, 3),
        "arms": len(result["arms"]),
        "prepared": len(prepared),
        "rendered": len(rendered),
        "plan of 1,000 points": round(planned, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    sides = {"here": HERE} | ({"other": options.against.resolve()} if options.against else {})
    print(f"command python {' '.join(sys.argv)}")
    for number in range(options.rounds):
        for side, checkout in sides.items():
            print(f"round {number + 1} {side}: {json.dumps(measured(checkout))}", flush=True)


if __name__ == "__main__":
    main()
