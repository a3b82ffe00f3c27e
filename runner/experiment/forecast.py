"""What each arm will still cost: what its stages would buy, priced by `runner.money`. What is in
the store or the answer cache, and what an earlier arm pays for, is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.config import Budget
from runner.experiment.answer_sets import foreseen
from runner.experiment.arms import Arm
from runner.experiment.stage import ArmRun
from runner.experiment.stages import Stages, data_stages, in_order
from runner.money import CHEAPER, Band, Part, Price, over_estimate, refuse, unknown
from runner.store.ledger import Ledger


@dataclass
class Forecast:
    """Prices the arms of one experiment, in the order in which they run."""

    stages: Stages
    seen: set[str] = field(default_factory=set)
    """Labels of everything that an arm before pays for."""

    def price(self, run: ArmRun) -> Price | None:
        """What is left to pay for the arm; None where nothing has a price."""
        experiment, parts = run.experiment, list[Part]()
        readings: dict[str, Band | None] = {}
        paid = [kind for kind in self.stages if kind.may_cost(experiment)]
        if not paid:
            return None
        for stage in data_stages(run, self.stages):
            run.make(stage)  # how much is asked depends on it; what it costs is held on its own
        for stage in in_order(run, paid, foreseen):
            for order in stage.asks(run):
                if order.label not in self.seen:
                    parts += order.parts(experiment.model.priced)
                    readings |= order.readings(experiment.model.priced)
                    self.seen |= {order.label} - {""}
        return Price(tuple(parts), readings)


# Whether the experiment can be paid for, before anything of it is paid: the upper estimates of
# all arms that are left, held against the caps of `budget`.


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
