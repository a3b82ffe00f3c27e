"""What each arm will still cost: what its stages would buy, priced by `runner.money`. What is in
the store or the answer cache, and what an earlier arm pays for, is free."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.experiment.answer_sets import foreseen
from runner.experiment.stage import ArmRun
from runner.experiment.stages import Stages, data_stages, in_order
from runner.money import Band, Part, Price


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
