"""A paid tuning job is bought once, whatever becomes of those who ask for it:
``python -m tests.acceptance.bought_once --times 20``

Way ``kill``: the create call is slow, and the runner is killed while it is in flight; the same
command again must find that job. Way ``homes``: two homes of one project and bucket start the
same arm at the same time. Each time has a fresh emulated Vertex AI; then there must be one live
job, all others cancelled, and the homes' books together must be the service's bill.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.emulator import Emulator
from runner.emulator.registry import models
from runner.store.ledger import Ledger
from tests.acceptance.tiny import command, options
from tests.acceptance.vertex_kills import SWEEP, experiment

CREATE = "*tuningJobs.create"
MILLION = 1_000_000
PRICE = models()["gemini-3.1-flash-lite"].prices.train
GOING = {"JOB_STATE_RUNNING", "JOB_STATE_PENDING", "JOB_STATE_QUEUED", "JOB_STATE_CANCELLING"}
DEAD = ("JOB_STATE_CANCELLED", "JOB_STATE_CANCELLING", "JOB_STATE_FAILED")
WAIT = 400.0
"""Seconds that a machine with much else to do may need for a run."""


@dataclass(frozen=True)
class Pace:
    """Seconds: how slow a create call is, how long into that call the runner dies, and how long
    a job that was asked for may be unseen."""

    slow: float
    kill_after: float
    visible: float

    @property
    def overrides(self) -> list[str]:
        seen = f"{self.visible:g}"
        return [f"backend.visible_seconds={seen}", f"backend.lock_seconds={seen}"]


@dataclass(frozen=True)
class Came:
    """What a way of asking came to: jobs by state, both sums in US dollars, what is wrong."""

    states: dict[str, int]
    bill: float
    books: float
    faults: list[str]
    said: str
    looked: bool = True
    """Whether the second runner found no job at first, since it was still being made: else this
    time has shown nothing."""


def run(folder: Path, yaml: Path, home: Path, more: Sequence[str]) -> subprocess.Popen[str]:
    """`sft run` with this home, in a process of its own."""
    settings = {key: options(folder)[key] for key in ("cwd", "env")}
    words = command("run", str(yaml), f"paths.home={home}", "tracking=none", *more)
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **settings
    )


def one_arm(folder: Path, emulator: Emulator) -> Path:
    """One tuned arm on the emulated service."""
    yaml = experiment(folder, emulator)
    yaml.write_text(yaml.read_text().replace(SWEEP, ""))
    return yaml


def in_flight(emulator: Emulator, runner: subprocess.Popen[str]) -> bool:
    """Wait until the service has a create call; False when the runner ended before."""
    for _ in range(int(WAIT / 0.05)):
        if emulator.service.faults.matched(0):
            return True
        if runner.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def by_kill(pace: Pace, emulator: Emulator, folder: Path) -> Came:
    """Killed while its create call is in flight; then the same command."""
    emulator.plan([{"on": CREATE, "nth": [1], "do": "slow", "seconds": pace.slow}])
    yaml, home = one_arm(folder, emulator), folder / "home"
    with run(folder, yaml, home, pace.overrides) as first:
        asked = in_flight(emulator, first)
        time.sleep(pace.kill_after)
        first.send_signal(signal.SIGKILL)
        said, _ = first.communicate(timeout=WAIT)
    seen, before = len(emulator.overview()["jobs"]), len(emulator.overview()["requests"])
    intent = [job.state for job in Ledger(home).jobs()]
    with run(folder, yaml, home, pace.overrides) as again:
        said, _ = again.communicate(timeout=WAIT)
    in_time = asked and not seen and intent == ["intended"]
    early = [] if in_time else [f"not killed in flight: {asked}, {seen} jobs, {intent}"]
    done = came(emulator, [home], [again.returncode], said, early)
    return replace(done, looked=looked(emulator, before))


def is_create(method: str) -> bool:
    """Whether the method makes a tuning job."""
    return method.endswith("tuningJobs.create")


def looked(emulator: Emulator, before: int) -> bool:
    """Whether a runner that came after so many requests looked for its job before the slow create
    call ended. Its first list is its look at the service as a whole."""
    methods = [entry["method"] for entry in emulator.overview()["requests"][before:]]
    ended = next((at for at, name in enumerate(methods) if is_create(name)), 0)
    return sum(name.endswith("tuningJobs.list") for name in methods[:ended]) > 1


def by_homes(pace: Pace, emulator: Emulator, folder: Path) -> Came:
    """Two homes at once."""
    emulator.plan([{"on": CREATE, "do": "slow", "seconds": pace.slow}])
    yaml, homes = one_arm(folder, emulator), [folder / "anna", folder / "ben"]
    both = [run(folder, yaml, home, pace.overrides) for home in homes]
    said = "".join(one.communicate(timeout=WAIT)[0] for one in both)
    done = came(emulator, homes, [one.returncode for one in both], said, [])
    return replace(done, looked=all(Ledger(home).jobs() for home in homes))  # both meant to buy


WAYS: dict[str, Callable[[Pace, Emulator, Path], Came]] = {"kill": by_kill, "homes": by_homes}


def came(
    emulator: Emulator, homes: Sequence[Path], codes: Sequence[int], said: str, faults: list[str]
) -> Came:
    """Compare jobs and books with what one job would be."""
    settle(emulator)
    jobs = emulator.overview()["jobs"]
    live = [job for job in jobs if job["state"] not in DEAD]
    assert PRICE is not None
    bill = sum(job["billedTokens"] for job in jobs) * PRICE / MILLION
    books = sum(tuning_usd(home) for home in homes)
    wrong = [*faults]
    wrong += [f"exit codes {list(codes)}: {said[-1500:]}"] if any(codes) else []
    wrong += [f"{len(live)} live jobs"] if len(live) != 1 else []
    wrong += [f"books {books:.6f} USD, bill {bill:.6f} USD"] if abs(books - bill) > 1e-9 else []
    wrong += ["traceback"] if "Traceback" in said else []
    wrong += [f"violations {emulator.overview()['violations']}"] * bool(
        emulator.overview()["violations"]
    )
    wrong += [
        f"locks left in the bucket and in no ledger: {left}" for left in lost_locks(emulator, homes)
    ]
    return Came(dict(Counter(job["state"] for job in jobs)), bill, books, wrong, said)


def settle(emulator: Emulator) -> None:
    """Wait until every create call has come to its end, also a dead runner's, and every job."""
    for _ in range(int(WAIT / 0.1)):
        done = [entry["method"] for entry in emulator.overview()["requests"]]
        making = emulator.service.faults.matched(0) > sum(map(is_create, done))
        states = {job["state"] for job in emulator.overview()["jobs"]}
        if not making and not states & GOING:
            return
        time.sleep(0.1)


def tuning_usd(home: Path) -> float:
    """What the home's books say that tuning has cost."""
    items: list[Any] = Ledger(home).spendings()
    return sum(item.usd or 0.0 for item in items if item.what == "tuning")


def lost_locks(emulator: Emulator, homes: Sequence[Path]) -> list[str]:
    """Locks that nobody released and `sft clean` would not find."""
    from runner.backends.vertex.clients import Clients
    from tests.backends.vertex.asking import backend

    storage = Clients(backend(emulator)).storage
    there = [f"gs://sft-emulator/{blob.name}" for blob in storage.list_blobs("sft-emulator")]
    ledgers = list(map(Ledger, homes))
    labels = [job.label for ledger in ledgers for job in ledger.jobs()]
    known = {item.name for ledger in ledgers for item in ledger.resources(labels)}
    return [uri for uri in there if "/locks/" in uri and uri not in known]


def once(way: str, pace: Pace) -> Came:
    """One time of a way, on a fresh service."""
    with tempfile.TemporaryDirectory() as name, Emulator(speed=1500.0) as emulator:
        return WAYS[way](pace, emulator, Path(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--slow", type=float, default=12.0, help="seconds of a create call")
    parser.add_argument("--kill-after", type=float, default=1.0, help="seconds into the call")
    parser.add_argument("--visible", type=float, default=16.0)
    chosen = parser.parse_args()
    pace = Pace(chosen.slow, chosen.kill_after, chosen.visible)
    good: Counter[str] = Counter()
    for way in chosen.ways:
        for number in range(1, chosen.times + 1):
            done = once(way, pace)
            good[way] += not done.faults
            sums = f"bill {done.bill:.6f} USD, books {done.books:.6f} USD"
            note = "" if done.looked else " (looked too late to show anything)"
            print(f"{way} {number}: {done.states}, {sums}{note} {done.faults or ''}", flush=True)
    print(f"bought once: {dict(good)} of {chosen.times} each")
    return int(any(good[way] != chosen.times for way in chosen.ways))


if __name__ == "__main__":
    sys.exit(main())
