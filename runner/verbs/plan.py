"""`sft plan`: every arm before it runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.verbs.experiment import add_experiment, with_sweep

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.sweep.plan import PlannedArm
    from runner.sweep.run import Sweep


def arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)


def main(options: argparse.Namespace) -> int:
    from runner.sweep.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        from runner.sweep.plan import as_json, plan

        lines = plan(sweep, console)
        shadowed = [[str(item.user), str(item.packaged)] for item in composition.shadowed]
        if options.json:
            print(json.dumps({"arms": as_json(lines), "shadowed": shadowed}, indent=1))
        else:
            _show(lines, shadowed)
        return 0

    return with_sweep(options, console, use)


def _show(lines: Sequence[PlannedArm], shadowed: Sequence[Sequence[str]]) -> None:
    from rich.console import Console as Terminal
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("arm", "state"):
        table.add_column(heading)
    for heading in ("train", "val", "test", "tokens", "USD", "time"):
        table.add_column(heading, justify="right")
    for line in lines:
        rows = (line.train_rows, line.validation_rows, line.test_rows)
        price = _range(line.price_low, line.price_high, ".2f")
        tokens = _range(line.tokens_low, line.tokens_high, ",.0f")
        table.add_row(line.name, line.state, *map(str, rows), tokens, price, _time(line.seconds))
    terminal = Terminal(highlight=False)
    terminal.print(table)
    total = sum(line.tokens_high for line in lines)
    terminal.print(f"\n{len(lines)} arms, up to {total:,} training tokens; {_total(lines)}")
    for user, packaged in shadowed:
        terminal.print(f"your {user} takes precedence over {packaged}", soft_wrap=True)


def _range(low: float, high: float, form: str) -> str:
    if not high:
        return "-"
    return format(high, form) if low == high else f"{low:{form}}-{high:{form}}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if not seconds:
        return "-"
    return f"~{seconds:.0f} s" if seconds < 100 else f"~{seconds / 60:.0f} min"


def _total(lines: Sequence[PlannedArm]) -> str:
    known = sum(line.seconds or 0 for line in lines)
    if any(line.seconds is None for line in lines):
        rest = "time not known yet"
        return f"tuning {_time(known)}, for the arms marked ? {rest}" if known else rest
    return f"tuning {_time(known)}" if known else "nothing left to tune"
