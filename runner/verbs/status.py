"""`sft status`: arms and tuning jobs of a runs folder."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.verbs.common import add_home, as_left, find_experiment, is_running, open_ledger

if TYPE_CHECKING:
    from runner.records.experiments import ExperimentResult
    from runner.records.jobs import JobRecord
    from runner.store.ledger import Ledger


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="name or YAML; default all")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def main(options: argparse.Namespace) -> int:
    ledger = open_ledger(options.home)
    wanted = options.experiment
    known = [find_experiment(ledger, wanted)] if wanted else ledger.experiments()
    home = Path(options.home)
    found = [as_left(result, home) for result in known]
    if options.json:
        print(json.dumps(_as_json(found, ledger), indent=1))
        return 0
    for result in found:
        _show(result, home)
    _show_jobs(ledger.jobs())
    _show_spent(ledger, found)
    return 0


def _as_json(found: list[ExperimentResult], ledger: Ledger) -> dict[str, object]:
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
    spendings = [item.model_dump(mode="json") for item in ledger.spendings()]
    return {
        "experiments": experiments,
        "jobs": [asdict(job) for job in ledger.jobs()],
        "spent": {"month": ledger.spent("", "").month, "items": spendings} if spendings else None,
    }


def _show(result: ExperimentResult, home: Path) -> None:
    from rich.console import Console

    from runner.report.terminal import print_leaderboard

    terminal = Console(highlight=False)
    state = "finished" if result.ended_ms else "not finished: the same 'sft run' goes on"
    if is_running(result, home):
        state = "running now"
    terminal.print(f"\n{result.name} ({result.digest[:8]}): {state}", markup=False)
    print_leaderboard(result, terminal)


def _show_jobs(jobs: Sequence[JobRecord]) -> None:
    """Every tuning job of the folder, newest first; a job may serve several experiments."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from runner.report.format import count, one_line, seconds

    terminal = Console(highlight=False)
    terminal.print("\ntuning jobs" if jobs else "\nno tuning jobs")
    if not jobs:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("job", "state", "model"):
        table.add_column(heading)
    for heading in ("tokens", "time"):
        table.add_column(heading, justify="right")
    table.add_column("error", overflow="fold")
    for job in jobs:
        took = seconds(job.seconds) if job.seconds else "-"
        words = (job.label[:8], job.state, job.model, count(job.tokens), took)
        table.add_row(*map(Text, words), Text(one_line(job.error, 200)))
    terminal.print(table)


def _show_spent(ledger: Ledger, found: Sequence[ExperimentResult]) -> None:
    """US dollars by experiment and in this month; nothing where nothing was paid."""
    from rich.console import Console

    from runner.money import usd

    terminal = Console(highlight=False)
    items = ledger.spendings()
    paid = [item for item in items if not item.rehearsal]
    if paid:
        terminal.print()
        for name in dict.fromkeys(result.name for result in found):
            if total := ledger.spent(name, "").experiment:
                terminal.print(f"spent on {name}: {usd(total)}", markup=False)
        month = ledger.spent("", "").month
        terminal.print(f"spent this month (UTC), all experiments: {usd(month)}")
        if held := sum(item.usd or 0 for item in paid if not item.settled):
            terminal.print(
                f"of it held back for jobs under way, by the upper estimate: {usd(held)}"
            )
        if unknown := sum(item.usd is None for item in paid):
            terminal.print(
                f"not in it, since the model's price is not known: {plural(unknown, 'job')}"
            )
    if worth := sum(item.usd or 0 for item in items if item.rehearsal):
        terminal.print(f"rehearsed on the emulator, not paid: {usd(worth)}")
