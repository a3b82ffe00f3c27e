"""`sft status`: arms and tuning jobs of a runs folder."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runner.verbs.home import add_home, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.ledger import Ledger
    from runner.results import ExperimentResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="name or YAML; default all")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def main(options: argparse.Namespace) -> int:
    ledger = open_ledger(options.home)
    wanted = options.experiment
    found = [find_experiment(ledger, wanted)] if wanted else ledger.experiments()
    if options.json:
        print(json.dumps(_as_json(found, ledger), indent=1))
        return 0
    for result in found:
        _show(result)
    return 0


def _as_json(found: list[ExperimentResult], ledger: Ledger) -> dict[str, Any]:
    experiments = [
        {
            "name": result.name,
            "digest": result.digest,
            "finished": bool(result.ended_ms),
            "arms": [
                {"name": arm.name, "status": arm.status, "error": arm.error, "log": arm.log}
                for arm in result.arms
            ],
        }
        for result in found
    ]
    return {"experiments": experiments, "jobs": [asdict(job) for job in ledger.jobs()]}


def _show(result: ExperimentResult) -> None:
    from rich.console import Console

    from runner.report.terminal import print_leaderboard

    terminal = Console(highlight=False)
    state = "finished" if result.ended_ms else "not finished: the same 'sft run' goes on"
    terminal.print(f"\n{result.name} ({result.digest[:8]}): {state}", markup=False)
    print_leaderboard(result, terminal)
