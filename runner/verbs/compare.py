"""`sft compare`: the answer of one or several experiments that were run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from runner.verbs.home import add_home, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.results import ExperimentResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiments", nargs="+", metavar="EXP", help="name or YAML")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--html", metavar="FILE", help="write the report page (one experiment)")


def main(options: argparse.Namespace) -> int:
    ledger = open_ledger(options.home)
    found = [find_experiment(ledger, wanted) for wanted in options.experiments]
    if options.html:
        from runner.report import write_report

        for number, result in enumerate(found):
            write_report(result, _page(Path(options.html), number))
    if options.json:
        print(json.dumps([json.loads(result.model_dump_json()) for result in found], indent=1))
        return 0
    for result in found:
        _show(result)
    return 0


def _page(page: Path, number: int) -> Path:
    """The first experiment gets the name as given, further ones a number."""
    return page if number == 0 else page.with_stem(f"{page.stem}-{number + 1}")


def _show(result: ExperimentResult) -> None:
    from rich.console import Console

    from runner.report.terminal import print_leaderboard, print_verdict

    terminal = Console(highlight=False)
    terminal.print(f"\n{result.name}: {result.question}", markup=False)
    print_leaderboard(result, terminal)
    print_verdict(result, terminal)
