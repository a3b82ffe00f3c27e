"""Kill the runner of six tuning jobs at random instants, and see that none is lost or doubled:
``python -m tests.acceptance.vertex_kills --kills 200``

Every round has a fresh emulated Vertex AI, which goes on while the runner dies, and a fresh
folder. The runner is killed after random times until it gets through; then there must be
exactly six jobs on the server, one for each arm, and every arm must have all of its metrics.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.emulator import Emulator
from tests.acceptance.kills import killed
from tests.acceptance.tiny import sft, write

ARMS = 6
SPEED = 1500.0
"""A job of 40 minutes takes 1.6 seconds."""
MAX_KILLS_A_ROUND = 12
METRICS = ("total_loss", "fraction_of_correct_next_step_preds", "num_predictions")
SWEEP = """\
sweep:
  grid:
    tuning.epochs: [2, 3]
    tuning.adapter_size: [1, 2, 4]
"""


@dataclass
class Round:
    """How often a runner was killed, and everything that is wrong with what it came to."""

    kills: int
    faults: list[str]


def experiment(folder: Path, emulator: Emulator) -> Path:
    """Six tuned arms on Vertex AI, without a baseline."""
    yaml = write(folder, "none")
    text = yaml.read_text().replace("override /model: tiny_random", "override /backend: vertex")
    text = text.replace("defaults:", "defaults:\n  - override /model: gemini_3_1_flash_lite")
    head = text.partition("baseline:")[0]
    tail = f"""\
baseline:
  zero_shot: false
  few_shot: []
  default_thinking: false
  skip_reason: only tuning jobs are of interest here
backend:
  project: lab
  bucket: gs://sft-emulator/kills
  emulator: {emulator.url}
  poll_seconds: 0.2
  visible_seconds: 2
  lock_seconds: 3
"""
    yaml.write_text(head + tail + SWEEP)
    return yaml


@contextmanager
def stage() -> Iterator[tuple[Emulator, Path, Path]]:
    """A service, a folder and an experiment in it."""
    with tempfile.TemporaryDirectory() as name, Emulator(speed=SPEED) as emulator:
        yield emulator, Path(name), experiment(Path(name), emulator)


def unbroken() -> tuple[list[str], float]:
    """Faults of an undisturbed run, and the seconds it takes."""
    with stage() as (emulator, folder, yaml):
        start = time.monotonic()
        done = sft(folder, "run", str(yaml), "--json")
        return faults(done.stdout, done.stderr, emulator), time.monotonic() - start


def broken(seconds: float, rng: random.Random, budget: int) -> Round:
    """Kill a run up to `budget` times at instants drawn over its whole length."""
    with stage() as (emulator, folder, yaml):
        kills = 0
        while kills < min(budget, MAX_KILLS_A_ROUND):
            if not killed(folder, ["run", str(yaml)], rng.uniform(0, seconds), whole_group=True):
                break
            kills += 1
        done = sft(folder, "run", str(yaml), "--json")
        return Round(kills, faults(done.stdout, done.stderr, emulator))


def faults(output: str, errors: str, emulator: Emulator) -> list[str]:
    """Everything that is not as it should be after a run."""
    try:
        result = json.loads(output)
    except ValueError:
        return [f"no result: {errors[-1500:]}"]
    found = list(_arms(result["arms"]))
    labels = Counter(job["labels"]["sft-arm"] for job in emulator.overview()["jobs"])
    if sorted(labels.values()) != [1] * ARMS:
        found.append(f"jobs on the server by label: {dict(labels)}")
    if emulator.overview()["violations"]:
        found.append(f"violations: {emulator.overview()['violations']}")
    return found


def _arms(arms: Sequence[dict[str, Any]]) -> Iterator[str]:
    if len(arms) != ARMS:
        yield f"{len(arms)} arms"
    for arm in arms:
        if arm["status"] != "done":
            yield f"{arm['name']} is {arm['status']}: {arm['error']}"
            continue
        tuning, scored = arm["tuning"], arm["checkpoints"]
        if not arm["test"] or len(scored) != len(tuning["checkpoints"]):
            yield f"{arm['name']}: a score is missing"
        for name in (f"{split}_{metric}" for split in ("train", "eval") for metric in METRICS):
            points = [point["step"] for point in tuning["curves"] if point["name"] == name]
            last = tuning["checkpoints"][-1]["step"]
            if not points or max(points) != last or len(points) != len(set(points)):
                yield f"{arm['name']}: {name} has steps {points}, and the last one is {last}"
        bills = [item for item in arm["spent"] if item["what"] == "tuning"]
        if len(bills) != 1 or not bills[0]["settled"]:
            yield f"{arm['name']}: bills {bills}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    wrong, seconds = unbroken()
    print(f"unbroken run: {seconds:.1f} s {wrong or ''}", flush=True)
    kills, rounds = 0, 0
    while kills < arguments.kills and not wrong:
        done = broken(seconds, rng, arguments.kills - kills)
        rounds, kills, wrong = rounds + 1, kills + done.kills, done.faults
        print(f"round {rounds}: {done.kills} kills, {kills} in all {wrong or ''}", flush=True)
    if wrong:
        return 1
    print(f"{kills} kills in {rounds} rounds: always {ARMS} jobs, every arm whole")
    return 0


if __name__ == "__main__":
    sys.exit(main())
