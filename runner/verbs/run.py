"""`sft run`: all arms, the comparison, the report and MLflow."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from runner.verbs.common import add_experiment, with_sweep

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.experiment.console import Console
    from runner.experiment.run import RunOutcome, Sweep


def arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)


def main(options: argparse.Namespace) -> int:
    from runner.experiment.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        from runner.experiment.advised import advice_lines
        from runner.experiment.findings import gate_findings
        from runner.experiment.run import run
        from runner.verdict.gates import exit_code

        for line in advice_lines(sweep.arms):
            console.say(line)
        outcome = run(sweep, console)
        _tell(outcome, console, as_json=options.json)
        if not (code := exit_code(outcome.result)):
            gate_findings(outcome.result, sweep.arms[0].experiment.diagnosis)
        return code

    try:
        return with_sweep(options, console, use)
    finally:
        console.close()


def _tell(outcome: RunOutcome, console: Console, *, as_json: bool) -> None:
    from rich.console import Console as Terminal

    from runner.report.findings_terminal import findings_line
    from runner.report.terminal import print_leaderboard, print_looks, print_verdict

    if as_json:
        print(json.dumps(json.loads(outcome.result.model_dump_json()), indent=1))
        return
    terminal = Terminal(highlight=False)
    if not outcome.fresh:
        terminal.print("Everything is done already; nothing was run. This is what came of it:")
    print_leaderboard(outcome.result, terminal)
    print_verdict(outcome.result, terminal)
    print_looks(outcome.result, terminal)
    terminal.print(f"\nreport   {outcome.report}", markup=False, soft_wrap=True)
    if found := findings_line(outcome.result):
        terminal.print(f"findings {found}", markup=False, soft_wrap=True)
    if ui := _ui(outcome):
        terminal.print(f"MLflow   {ui}", markup=False, soft_wrap=True)


def _ui(outcome: RunOutcome) -> str:
    """The command that opens these runs in MLflow; empty without tracking."""
    import shlex

    tracking = outcome.tracking
    if tracking.kind == "none":
        return ""
    words = ["sft", "ui", "--home", outcome.result.home]
    return shlex.join([*words, *(["--uri", tracking.uri] if tracking.uri else [])])
