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
    if not (folder / "ledger.db").is_file():
        raise ConfigError(
            f"no runs in {folder}: give --home, or start with 'sft run EXP' in this folder"
        )
    return Ledger(folder)


def find_experiment(ledger: Ledger, wanted: str) -> ExperimentResult:
    """The newest experiment of this name, YAML path or digest prefix. Raises ConfigError."""
    every = ledger.experiments()
    path = str(Path(wanted).expanduser().resolve())
    for result in every:
        if wanted == result.name or path == result.file or result.digest.startswith(wanted):
            return result
    names = ", ".join(sorted({result.name for result in every})) or "none"
    raise ConfigError(f"no experiment {wanted!r} was run here; there are: {names}")
