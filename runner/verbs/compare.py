"""`sft compare`: the answer of one or several experiments that were run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from runner.verbs.common import add_home, as_left, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.records.experiments import ExperimentResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiments", nargs="+", metavar="EXP", help="name or YAML")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--html", metavar="FILE", help="write the report page; further experiments get FILE-2, ..."
    )


def main(options: argparse.Namespace) -> int:
    from runner.experiment.looks import with_looks

    ledger = open_ledger(options.home)
    found = [with_looks(find_experiment(ledger, wanted), ledger) for wanted in options.experiments]
    pages = _write(found, Path(options.html)) if options.html else []
    if options.json:
        print(json.dumps([json.loads(result.model_dump_json()) for result in found], indent=1))
        return 0
    for result in found:
        _show(result, Path(options.home))
    for page, result in zip(pages, found, strict=False):
        print(f"wrote {page}: {result.name}")
    return 0


def _write(found: list[ExperimentResult], first: Path) -> list[Path]:
    """One report page per experiment."""
    from runner.report import write_report

    pages = [_page(first, number) for number in range(len(found))]
    for page, result in zip(pages, found, strict=True):
        page.parent.mkdir(parents=True, exist_ok=True)
        write_report(result, page)
    return pages


def _page(page: Path, number: int) -> Path:
    """The first experiment gets the name as given, further ones a number."""
    return page if number == 0 else page.with_stem(f"{page.stem}-{number + 1}")


def _show(result: ExperimentResult, home: Path) -> None:
    from rich.console import Console

    from runner.report.terminal import print_leaderboard, print_looks, print_verdict

    terminal = Console(highlight=False)
    terminal.print(f"\n{result.name}: {result.question}", markup=False)
    print_leaderboard(as_left(result, home), terminal)
    print_verdict(result, terminal)
    print_looks(result, terminal)
