"""`sft compare`: the answer of one or several experiments that were run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError
from runner.verbs.common import add_home, as_left, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.records.experiments import ExperimentResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiments", nargs="+", metavar="EXP", help="name or YAML; with --rows also EXP:ARM"
    )
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--html", metavar="FILE", help="write the report page; further experiments get FILE-2, ..."
    )
    rows = parser.add_argument_group(
        "rows", "which test rows the second of two arms fixes and breaks against the first"
    )
    rows.add_argument(
        "--rows",
        action="store_true",
        help="of EXP:ARM EXP:ARM, the one before first; EXP is its winner, else the tuned arm that"
        " is best on validation; one alone is held against its untuned arm",
    )
    rows.add_argument("--metric", metavar="NAME", help="by this score (the primary one)")
    rows.add_argument(
        "--tolerance",
        metavar="X",
        type=_tolerance,
        help="a row's own score has to change by more than this (suite.row_tolerance)",
    )
    rows.add_argument(
        "--limit", metavar="N", type=_limit, help=f"rows shown of each list ({LIMIT})"
    )


LIMIT = 5


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on, in the score's unit")
    return value


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; 0 shows the counts alone")
    return int(text)


def main(options: argparse.Namespace) -> int:
    from runner.experiment.looks import with_looks

    ledger = open_ledger(options.home)
    asked = {name: getattr(options, name) for name in ("metric", "tolerance", "limit")}
    if options.rows:
        from runner.verbs.compare_rows import compare_rows

        if options.html:
            raise ConfigError("--rows and --html are two things: leave one of them out")
        options.limit = LIMIT if options.limit is None else options.limit
        return compare_rows(options, ledger)
    if given := [f"--{name}" for name, value in asked.items() if value is not None]:
        raise ConfigError(f"{', '.join(given)}: only with --rows")
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
