"""Kill a run at random instants, again and again, and compare what it comes to with an
unbroken one:  ``python -m tests.acceptance.kills --kills 200``

Every round starts `sft run` on a fresh folder and kills the runner (alone, or with all its
children, by turns) after a random time, until it gets through. The data, the scores, the
curves and the answers must be those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.tiny import command, options, outcome, sft, write

MAX_KILLS_A_ROUND = 12
"""After this many kills a round may finish; else short delays would never get through."""


@dataclass
class Round:
    """One folder: how often it was killed, and whether its result is the unbroken one."""

    kills: int
    equal: bool
    note: str = ""


def unbroken(tracking: str, overrides: Sequence[str] = ()) -> tuple[dict[str, object], float]:
    """What an undisturbed run comes to, and the seconds it takes."""
    with tempfile.TemporaryDirectory() as name:
        yaml = write(Path(name), tracking, sizes=[16], shots="[]")
        start = time.monotonic()
        done = sft(Path(name), "run", str(yaml), "--json", *overrides, check=True)
        return outcome(done.stdout), time.monotonic() - start


def broken(
    expected: dict[str, object],
    seconds: float,
    tracking: str,
    rng: random.Random,
    budget: int,
    overrides: Sequence[str] = (),
) -> Round:
    """Kill a run up to `budget` times at instants drawn over its whole length."""
    folder = Path(tempfile.mkdtemp())
    try:
        yaml = write(folder, tracking, sizes=[16], shots="[]")
        kills = 0
        while kills < min(budget, MAX_KILLS_A_ROUND):
            words = ["run", str(yaml), "--json", *overrides]
            if not killed(folder, words, rng.uniform(0, seconds), whole_group=kills % 2 == 1):
                break
            kills += 1
        done = sft(folder, "run", str(yaml), "--json", *overrides)
        if done.returncode:
            return Round(kills, False, done.stderr[-2000:])
        got = outcome(done.stdout)
        return Round(kills, got == expected, _first_difference(got, expected))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def killed(folder: Path, words: Sequence[str], after: float, *, whole_group: bool) -> bool:
    """Whether the run was killed before it ended by itself."""
    settings = {**options(folder), "capture_output": False, "text": None}
    with subprocess.Popen(
        command(*words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **{key: settings[key] for key in ("cwd", "env")},
    ) as process:
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            if whole_group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            return True
    return False


def _first_difference(got: dict[str, object], expected: dict[str, object]) -> str:
    for key, value in expected.items():
        if got.get(key) != value:
            return f"{key}: {str(got.get(key))[:400]} instead of {str(value)[:400]}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tracking", default="none", choices=["none", "mlflow"])
    parser.add_argument("overrides", nargs="*", help="e.g. model=smollm2_135m")
    arguments = parser.parse_args()
    overrides = arguments.overrides
    rng = random.Random(arguments.seed)
    unbroken(arguments.tracking, overrides)  # the first run of a day reads cold files
    expected, seconds = unbroken(arguments.tracking, overrides)
    print(f"unbroken run: {seconds:.1f} s", flush=True)
    kills, rounds = 0, 0
    while kills < arguments.kills:
        left = arguments.kills - kills
        done = broken(expected, seconds, arguments.tracking, rng, left, overrides)
        rounds += 1
        kills += done.kills
        print(
            f"round {rounds}: {done.kills} kills, {kills} in all: "
            f"{'equal' if done.equal else 'DIFFERENT ' + done.note}",
            flush=True,
        )
        if not done.equal:
            return 1
    print(f"{kills} kills in {rounds} rounds: every result equals the unbroken run's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
