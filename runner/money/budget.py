"""What the caps of the group `budget` have to say: how far each is passed, and what to type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from runner.base.errors import BudgetError
from runner.base.text import plural
from runner.config import Budget
from runner.money.price import Band
from runner.records.results import Spent

CAPS = ("arm", "experiment", "month")

REACH = {
    "arm": "of this arm",
    "experiment": "of all experiments of this name",
    "month": "of this calendar month (UTC), all experiments of paths.home together",
}


def over_estimate(budget: Budget, spent: Spent, more: Mapping[str, float], who: str) -> list[str]:
    """One sentence for each cap that what is spent and the upper estimate `more` (cap to US
    dollars) pass together."""
    return [
        f"budget.{cap}={limit:g}: {who} may cost up to {usd(more[cap])}, and {usd(gone)} are spent "
        f"or held back {REACH[cap]}\n  type: budget.{cap}={cents(gone + more[cap])}"
        for cap, limit, gone in _caps(budget, spent)
        if cap in more and gone + more[cap] > limit
    ]


def used_up(budget: Budget, spent: Spent) -> list[str]:
    """One sentence for each cap that is passed already."""
    return [
        f"budget.{cap}={limit:g} is used up: {usd(gone)} are spent or held back {REACH[cap]}\n"
        f"  type: the same command with budget.{cap}={cents(1.5 * gone)}"
        for cap, limit, gone in _caps(budget, spent)
        if gone > limit
    ]


def unknown(budget: Budget, model: str) -> list[str]:
    """A sentence when there is a cap, but no price to hold against it."""
    caps = [f"budget.{cap}" for cap in CAPS if getattr(budget, cap) is not None]
    if not caps:
        return []
    return [
        f"what tuning {model} costs is not known (model.prices.train is null), so"
        f" {' and '.join(caps)} cannot be kept\n"
        "  type: model.prices.train=DOLLARS, per million tokens as Google's price list says,"
        " or budget=none"
    ]


def preparing(what: str, calls: float, cost: Band) -> str:
    """A sentence for calls that are not made, since nothing is to be paid."""
    return (
        f"preparing the data takes {plural(round(calls), 'call')} to a model that is paid for "
        f"({what}): up to {usd(cost.high)}; this command pays nothing"
    )


PAY = "  type: the same command with --pay, or 'sft run'; what it answers is not paid for again"
FEWER = "  or ask for less: fewer rows, or another encoder"
CHEAPER = "  or ask for less: fewer epochs, rows or arms; 'sft plan' prices each part"
KEPT = "  answers and checkpoints paid for so far are kept and not paid for again"


def refuse(problems: Sequence[str], advice: str) -> None:
    """Raise BudgetError with each of the problems once, if there are any."""
    if problems:
        raise BudgetError("\n".join([*dict.fromkeys(problems), advice]))


def usd(dollars: float) -> str:
    """``12.30 USD``; small sums keep two digits that mean something."""
    if 0 < dollars < 0.01:
        return f"{dollars:.2g} USD"
    return f"{dollars:,.2f} USD"


def cents(dollars: float) -> str:
    """``12.31``: the next whole cent that covers it."""
    return f"{math.ceil(round(100 * dollars, 6)) / 100:.2f}"


def _caps(budget: Budget, spent: Spent) -> Iterator[tuple[str, float, float]]:
    """Name, limit and dollars gone of every cap that is set."""
    for cap in CAPS:
        limit = getattr(budget, cap)
        if limit is not None:
            yield cap, limit, getattr(spent, cap)
