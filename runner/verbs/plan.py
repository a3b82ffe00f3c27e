"""`sft plan`: every arm before it runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from runner.plural import plural
from runner.verbs.experiment import add_experiment, add_pay, with_sweep

if TYPE_CHECKING:
    from rich.table import Table

    from runner.compose import Composition
    from runner.sweep.plan import PlannedArm
    from runner.sweep.run import Sweep


def arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    add_pay(parser)


def main(options: argparse.Namespace) -> int:
    from runner.sweep.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        from runner.sweep.plan import as_json, plan, together
        from runner.verbs.prices import prices_json, print_prices

        sweep.shut_purses(not options.pay)
        lines = plan(sweep, console)
        shadowed = [[str(item.user), str(item.packaged)] for item in composition.shadowed]
        if options.json:
            money = prices_json(sweep, lines)
            replaced = [asdict(item) for item in composition.replaced]
            told = {"arms": as_json(lines), **money, "shadowed": shadowed, "replaced": replaced}
            print(json.dumps(told, indent=1))
        else:
            order = [kind.name for kind in sweep.stages]
            _show(lines, together(sweep, lines), shadowed, order)
            print_prices(sweep, lines)
        return 0

    return with_sweep(options, console, use)


def _show(
    lines: Sequence[PlannedArm],
    seconds: float,
    shadowed: Sequence[Sequence[str]],
    order: Sequence[str],
) -> None:
    from rich.console import Console as Terminal
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("arm", "state"):
        table.add_column(heading)
    for heading in ("train", "val", "test", "tokens", "time"):
        table.add_column(heading, justify="right")
    for line in lines:
        rows = (line.train_rows, line.validation_rows, line.test_rows)
        tokens = _range(line.tokens_low, line.tokens_high)
        table.add_row(line.name, line.state, *map(str, rows), tokens, _time(line.seconds))
    terminal = Terminal(highlight=False)
    terminal.print(table)
    terminal.print()
    terminal.print(_stages(lines, order))
    total = sum(line.tokens_high for line in lines)
    terminal.print(
        f"\n{plural(len(lines), 'arm')}, up to {total:,} training tokens; {_total(lines, seconds)}"
    )
    for user, packaged in shadowed:
        terminal.print(f"your {user} takes precedence over {packaged}", soft_wrap=True)


def _stages(lines: Sequence[PlannedArm], order: Sequence[str]) -> Table:
    """Arms by stages: what is there, what an arm before makes, what is new."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    names = [name for name in order if any(name in line.stages for line in lines)]
    for heading in ("stage by stage", *names):
        table.add_column(heading)
    for line in lines:
        table.add_row(line.name, *(line.stages.get(name, "-") for name in names))
    return table


def _range(low: int, high: int) -> str:
    if not high:
        return "-"
    return f"{high:,}" if low == high else f"{low:,}-{high:,}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if not seconds:
        return "-"
    if seconds < 100:
        return f"~{seconds:.0f} s"
    return f"~{seconds / 60:.0f} min" if seconds < 7200 else f"~{seconds / 3600:.1f} h"


def _total(lines: Sequence[PlannedArm], seconds: float) -> str:
    if any(line.seconds is None for line in lines):
        rest = "time not known yet"
        return f"tuning {_time(seconds)}, for the arms marked ? {rest}" if seconds else rest
    return f"tuning {_time(seconds)}" if seconds else "nothing left to tune"
