"""How long `sft` takes to answer, against a bare Hydra app that composes the same `conf/`.

The peer is what a Hydra user starts from: `hydra.main` on our `conf/`, a task function that does
nothing, once as a plain run (two compositions, the fastest Hydra has) and once as a multirun
through BasicLauncher. Ours are `sft --help`, `sft schema`, and `sft check` on an experiment with
two mistakes. All of them run in turns, each in a process of its own, so that a busy machine is
busy for all; a round's difference is taken within the round.

    python benchmarks/startup.py --rounds 15
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

BARE = """\
import sys
import hydra

@hydra.main(config_path={conf!r}, config_name="config", version_base="1.3")
def app(config):
    pass

app()
"""

BAD = """\
defaults:
  - override /model: tiny_random
source: {train: rows.csv}
tuning: {epochs: many}
epoch: 3
"""

Timing = tuple[float, float]
"""Wall-clock and CPU seconds of one process."""


def commands(folder: Path) -> dict[str, list[str]]:
    """Name to command; the first one is what the others are held against."""
    from runner.compose.folders import packaged_conf

    app, bad = folder / "app.py", folder / "bad.yaml"
    app.write_text(BARE.format(conf=str(packaged_conf())), encoding="utf-8")
    bad.write_text(BAD, encoding="utf-8")
    sft = [sys.executable, "-m", "runner"]
    bare = [sys.executable, str(app), "hydra/launcher=basic", "hydra/sweeper=basic"]
    bare += [f"hydra.run.dir={folder}", f"hydra.sweep.dir={folder}", "source.train=rows.csv"]
    return {
        "bare Hydra, run": bare,
        "bare Hydra, multirun": [*bare, "-m"],
        "sft --help": [*sft, "--help"],
        "sft schema": [*sft, "schema"],
        "sft check, config error": [*sft, "check", str(bad)],
    }


def timed(command: list[str], expected: int) -> Timing:
    """Run `command`, which has to exit with `expected`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != expected:
        raise SystemExit(f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent


def measure(rounds: int) -> dict[str, list[Timing]]:
    """Timings by command, one a round, after one round that nobody counts."""
    with tempfile.TemporaryDirectory() as folder:
        named = commands(Path(folder))
        timings: dict[str, list[Timing]] = {name: [] for name in named}
        for number in range(rounds + 1):
            for name, command in named.items():
                timing = timed(command, expected=2 if "error" in name else 0)
                if number:
                    timings[name].append(timing)
    return timings


def table(timings: dict[str, list[Timing]]) -> str:
    """Medians, and ratio and difference to the first command with the quartiles of the rounds."""
    lines = []
    peer = next(iter(timings.values()))
    for part, label in enumerate(("wall", "CPU")):
        lines.append(f"{label:<26}{'median':>9}{'ratio':>8}{'difference, s (quartiles)':>34}")
        for name, own in timings.items():
            seconds = [timing[part] for timing in own]
            ratio = statistics.median(a[part] / b[part] for a, b in zip(own, peer, strict=True))
            gaps = [a[part] - b[part] for a, b in zip(own, peer, strict=True)]
            low, middle, high = statistics.quantiles(gaps, n=4)
            spread = f"{middle:+.3f} ({low:+.3f} .. {high:+.3f})"
            lines.append(f"  {name:<24}{statistics.median(seconds):9.3f}{ratio:8.2f}{spread:>34}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    packages = ("hydra-core", "omegaconf", "pydantic")
    print(f"python {' '.join(sys.argv)}")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    print(", ".join(f"{name} {version(name)}" for name in packages), f"; {rounds} rounds\n")
    print(table(measure(rounds)))


if __name__ == "__main__":
    main()
