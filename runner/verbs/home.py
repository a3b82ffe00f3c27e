"""What the verbs that only read a runs folder have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.ledger import Ledger
    from runner.results import ExperimentResult


def add_home(parser: argparse.ArgumentParser) -> None:
    """The runs folder."""
    parser.add_argument("--home", default="runs", help="the runs folder (paths.home), here: runs")


def open_ledger(home: str) -> Ledger:
    """The ledger of a folder that exists. Raises ConfigError when nothing was run there."""
    from runner.ledger import Ledger

    folder = Path(home).expanduser().resolve()
    if (place := folder / "ledger.url").is_file():
        return Ledger(folder, place.read_text(encoding="utf-8"))
    if not (folder / "ledger.db").is_file():
        raise ConfigError(
            f"no runs in {folder}: give --home, or start with 'sft run EXP' in this folder"
        )
    return Ledger(folder)


def is_running(result: ExperimentResult, home: Path) -> bool:
    """Whether a process is on this experiment now: it holds the experiment's lock."""
    from filelock import FileLock, Timeout

    lock = home.expanduser() / "locks" / f"{result.digest}.lock"
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def as_left(result: ExperimentResult, home: Path) -> ExperimentResult:
    """The experiment for people: an arm that a killed run left as running is ``interrupted``.
    For showing only, never to be stored."""
    if all(arm.status != "running" for arm in result.arms) or is_running(result, home):
        return result
    arms = [
        arm.model_copy(update={"status": "interrupted"}) if arm.status == "running" else arm
        for arm in result.arms
    ]
    return result.model_copy(update={"arms": arms})


def find_experiment(ledger: Ledger, wanted: str) -> ExperimentResult:
    """The newest experiment of this name, YAML path or digest prefix. Raises ConfigError."""
    every = ledger.experiments()
    path = str(Path(wanted).expanduser().resolve())
    for result in every:
        if wanted == result.name or path == result.file or result.digest.startswith(wanted):
            return result
    names = ", ".join(sorted({result.name for result in every})) or "none"
    raise ConfigError(f"no experiment {wanted!r} was run here; there are: {names}")
