"""What a sealed test split saves, in the forecast and on the bill."""

from __future__ import annotations

from collections import Counter

import pytest

from runner.base.errors import BudgetError
from runner.experiment.console import Console
from runner.experiment.forecast import check_affordable
from runner.experiment.plan import plan
from runner.experiment.sealed import expect_finalists
from runner.money import total
from tests.money.conftest import Shop

SEALED = "suite.sealed=true"


def forecast(shop: Shop, *overrides: str) -> dict[str, float]:
    """US dollars at most, by what they are for."""
    found: Counter[str] = Counter()
    for line in plan(shop.sweep(*overrides), Console(silent=True)):
        assert line.price
        for part in line.price.parts:
            assert part.usd
            found[f"{part.group} {part.what}"] += part.usd.high
    return dict(found)


def test_a_sealed_test_is_paid_for_once(shop: Shop) -> None:
    every, sealed = forecast(shop), forecast(shop, SEALED)
    assert sealed["evaluation test"] == every["evaluation test"] / 2
    rest = {name: usd for name, usd in every.items() if name != "evaluation test"}
    assert {name: usd for name, usd in sealed.items() if name != "evaluation test"} == rest
    # Caps go by the same forecast: one that all arms would pass is kept.
    cap = f"budget.experiment={(sum(sealed.values()) + sum(every.values())) / 2}"
    with pytest.raises(BudgetError, match="what is left to run may cost up to"):
        shop.run(cap)
    sweep = shop.sweep(SEALED, cap)
    expect_finalists(sweep.arms, sweep.runs, sweep.stages)
    check_affordable(sweep.arms, sweep.runs, sweep.stages, sweep.ledger, sweep.result.name)


def test_only_finalists_are_paid_for(shop: Shop) -> None:
    outcome = shop.run(SEALED)
    tested = [arm for arm in outcome.result.arms if arm.test]
    assert [arm.kind for arm in tested] == ["zero_shot", "tuned"]
    paid = Counter(item.what for arm in outcome.result.arms for item in arm.spent)
    assert (paid["test"], paid["baseline test"]) == (1, 1)
    left = [line.price.usd for line in plan(shop.sweep(SEALED), Console(silent=True)) if line.price]
    assert total(usd for usd in left if usd).high == 0
