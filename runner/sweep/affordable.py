"""Whether the experiment can be paid for, before anything of it is paid: the upper estimates of
all arms that are left, held against the caps of `budget`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner.config import Budget
from runner.experiment.stage import ArmRun
from runner.experiment.stages import Stages
from runner.ledger import Ledger
from runner.money import CHEAPER, Price, over_estimate, refuse, unknown
from runner.sweep.arms import Arm
from runner.sweep.forecast import Forecast


def check_affordable(
    arms: Sequence[Arm], runs: Mapping[str, ArmRun], stages: Stages, ledger: Ledger, name: str
) -> None:
    """Raise BudgetError, naming every cap that would be passed, when arms cost too much one by
    one or all together. Tells each arm's account what it was estimated at."""
    forecast = Forecast(stages)
    priced: list[tuple[Arm, Price]] = []
    for arm in arms:
        price = forecast.price(runs[arm.digest])
        if price is not None:
            priced.append((arm, price))
            runs[arm.digest].account.expect(price)
    # What is held back for what is bought again is part of its price, not spent besides.
    refuse(list(_problems(priced, ledger, name, sorted(forecast.seen))), CHEAPER)


def _problems(
    priced: Sequence[tuple[Arm, Price]], ledger: Ledger, name: str, bought: Sequence[str]
) -> Iterator[str]:
    together = 0.0
    for arm, price in priced:
        budget, cost = arm.experiment.budget, price.usd
        if cost is None:
            yield from unknown(budget, arm.experiment.model.name)
            continue
        together += cost.high
        rehearsal = arm.experiment.backend.rehearsal
        spent = ledger.spent(name, arm.digest, bought, rehearsal=rehearsal)
        own = Budget(arm=budget.arm)
        yield from over_estimate(own, spent, {"arm": cost.high}, f"arm {arm.name!r}")
    if together:
        first = priced[0][0].experiment
        more = {"experiment": together, "month": together}
        spent = ledger.spent(name, "", bought, rehearsal=first.backend.rehearsal)
        yield from over_estimate(first.budget, spent, more, "what is left to run")
