"""`sft plan`: every arm before it runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.verbs.common import add_experiment, add_pay, with_sweep

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from runner.compose import Composition
    from runner.experiment.plan import Choosing, PlannedArm
    from runner.experiment.power import Detectable
    from runner.experiment.run import Sweep
    from runner.money import Band, Price
    from runner.records.looks import SplitLooks
    from runner.records.results import Spent


def arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    add_pay(parser)


def main(options: argparse.Namespace) -> int:
    from runner.experiment.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        from runner.experiment.advised import advice_lines, by_advice
        from runner.experiment.plan import as_json, choosing, plan, planned_looks, together
        from runner.experiment.power import detectable

        sweep.shut_accounts(not options.pay)
        lines = plan(sweep, console)
        found, chosen, looks = detectable(sweep, lines), choosing(lines), planned_looks(sweep)
        shadowed = [[str(item.user), str(item.packaged)] for item in composition.shadowed]
        if options.json:
            money = prices_json(sweep, lines)
            replaced = [asdict(item) for item in composition.replaced]
            told = {"arms": as_json(lines), **money, "shadowed": shadowed, "replaced": replaced}
            told |= {"looks": [json.loads(each.model_dump_json()) for each in looks]}
            told |= {"detectable": found and asdict(found), "choosing": chosen and asdict(chosen)}
            told |= {"advice": [asdict(shared) for shared in by_advice(sweep.arms)]}
            print(json.dumps(told, indent=1))
        else:
            order = [kind.name for kind in sweep.stages]
            _show(lines, together(sweep, lines), shadowed, order)
            _say(advice_lines(sweep.arms))
            for line in dict.fromkeys(each for arm in lines for each in arm.warnings):
                console.say(f"warning: {line}")
            for line in (*_detectable(found), *_sealed(lines), *_looks(looks)):
                console.say(line)
            for line in _choosing(chosen):
                console.say(line)
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
        test = "sealed" if line.sealed else line.test_rows
        rows = (line.train_rows, line.validation_rows, test)
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


def _say(lines: Iterable[str]) -> None:
    """Print lines as they are, after an empty one."""
    from rich.console import Console as Terminal

    terminal = Terminal(highlight=False)
    for number, line in enumerate(lines):
        terminal.print(f"\n{line}" if not number else line, markup=False, soft_wrap=True)


def _detectable(found: Detectable | None) -> Iterator[str]:
    """The smallest difference that can be found, and what the experiment cannot answer."""
    if found is None:
        return
    runs = plural(found.replicates, "replicate")
    between = "" if found.between is None else f", {found.between:.2g} between two recipes"
    yield (
        f"smallest difference in {found.metric} found in 80 % of cases with {found.rows:,} test "
        f"rows and {runs}: {found.untuned:.2g} from the untuned model{between} (by {found.basis})"
    )
    yield from (f"warning: {line}" for line in found.warnings)


def _choosing(found: Choosing | None) -> Iterator[str]:
    if found:
        price = f" ({_usd_range(found.usd, 4)} USD)" if found.usd else ""
        yield (
            f"{plural(found.untuned, 'untuned arm')} answer validation as well, "
            f"{plural(found.answers, 'row')}{price}, which chooses the one to beat; "
            "baseline.chosen_on: test spares that"
        )


def _sealed(lines: Sequence[PlannedArm]) -> Iterator[str]:
    """Which arms the forecast has answer test."""
    left = sum(line.sealed for line in lines)
    if left:
        yield (
            f"suite.sealed: {left} of {plural(len(lines), 'arm')} will not answer test; which ones "
            "is up to validation, and the forecast has the winner that costs most"
        )


def _looks(found: Sequence[SplitLooks]) -> Iterator[str]:
    """How often each test split has answered already, and what this run adds."""
    for each in found:
        adds = f"This run adds up to {plural(each.to_come, 'comparison')}."
        words = " ".join([*each.said, adds])
        yield f"warning: {words}" if each.worn else words


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


# The money part of `sft plan`: what each arm costs, part by part, beside what may be spent.

GROUPS = ("train", "baseline", "evaluation")
"""Those that are always shown; a stage may have one of its own."""


def prices_json(sweep: Sweep, lines: Sequence[PlannedArm]) -> dict[str, object]:
    """Sum over the arms, caps and what is spent; empty where nothing has a price."""
    priced = [line.price for line in lines if line.price is not None]
    if not priced:
        return {}
    whole = _sum([price.usd for price in priced])
    spent = _spent(sweep)
    return {
        "price": None if whole is None else asdict(whole),
        "budget": sweep.arms[0].experiment.budget.model_dump(mode="json"),
        "spent": {"experiment": spent.experiment, "month": spent.month},
        "rehearsal": sweep.arms[0].experiment.backend.rehearsal,
    }


def print_prices(sweep: Sweep, lines: Sequence[PlannedArm]) -> None:
    """Print the table of prices and what it is held against; nothing where nothing costs."""
    from rich.console import Console

    priced = [(line, line.price) for line in lines if line.price is not None]
    if not priced:
        return
    terminal = Console(highlight=False)
    terminal.print()
    terminal.print(_table(priced))
    _explain(terminal, [price for _, price in priced])
    _caps(terminal, sweep, _spent(sweep))


def _spent(sweep: Sweep) -> Spent:
    rehearsal = sweep.arms[0].experiment.backend.rehearsal
    return sweep.ledger.spent(sweep.result.name, "", rehearsal=rehearsal)


def _table(priced: Sequence[tuple[PlannedArm, Price]]) -> Table:
    from rich.table import Table

    from runner.money import Band

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("USD")
    names = list(dict.fromkeys([*GROUPS, *(name for _, price in priced for name in price.groups)]))
    for heading in (*names, "total"):
        table.add_column(heading, justify="right")
    whole = _sum([price.usd for _, price in priced])
    places = 2 if whole is None or whole.high >= 1 else 4
    for line, price in priced:
        groups = price.groups
        cells = [groups.get(name, Band()) for name in names]
        table.add_row(line.name, *(_usd_range(cell, places) for cell in (*cells, price.usd)))
    sums = [_sum([price.groups.get(name, Band()) for _, price in priced]) for name in names]
    table.add_row("total", *(_usd_range(cell, places) for cell in (*sums, whole)), style="bold")
    return table


def _sum(bands: Sequence[Band | None]) -> Band | None:
    """None as soon as one of them is not known."""
    from runner.money import total

    known = [band for band in bands if band is not None]
    return total(known) if len(known) == len(bands) else None


def _usd_range(band: Band | None, places: int = 2) -> str:
    """``0.12-0.40``; ``unknown`` without a price."""
    if band is None:
        return "unknown"
    if not band.high:
        return "-"
    low, high = f"{band.low:,.{places}f}", f"{band.high:,.{places}f}"
    return high if low == high else f"{low}-{high}"


def _explain(terminal: Console, prices: Sequence[Price]) -> None:
    """What lies between low and high."""
    if not any(price.parts for price in prices):
        return
    say = "low: the fewest tokens, answers as long as the targets"
    say += "; high: the most tokens, validation rows billed, answers (and thoughts) at their limit"
    terminal.print(f"\n{say}", style="dim")
    last = _sum([price.readings["last_turn"] for price in prices if price.conversations])
    every = _sum([price.readings["every_turn"] for price in prices if price.conversations])
    if last is not None and every is not None and last.high:
        terminal.print(
            f"conversations: tuning costs {_usd_range(last)} USD if only each row's last turn is "
            f"trained, {_usd_range(every)} USD if every model turn is (Google does not say which)"
        )


def _caps(terminal: Console, sweep: Sweep, spent: Spent) -> None:
    from runner.money import usd

    config = sweep.arms[0].experiment
    if config.backend.rehearsal:
        words = (
            "a rehearsal on the emulator: nothing is paid, and caps have an account of their own"
        )
        terminal.print(words)
    used = "rehearsed" if config.backend.rehearsal else "gone"
    gone = {"experiment": spent.experiment, "month": spent.month}
    caps = {cap: limit for cap, limit in config.budget.model_dump().items() if limit is not None}
    for cap, limit in caps.items():
        known = f", {usd(gone[cap])} of it {used}" if cap in gone else " each"
        terminal.print(f"budget.{cap}: {limit:g} USD{known}")
    if not caps:
        done = "rehearsed" if config.backend.rehearsal else "spent"
        words = f"no budget is set; {usd(spent.month)} {done} this month. Set one: budget=small"
        terminal.print(words)
