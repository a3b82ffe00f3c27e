"""What is bought, what is refused and what goes on record, through whole runs."""

from __future__ import annotations

import pytest

from runner.errors import BudgetError
from runner.results import ArmResult
from tests.acceptance.tiny import sft
from tests.money.conftest import PAID, Shop
from tests.money.paid import BILLED, OUTPUT_TOKENS, PROMPT_TOKENS

JOB = BILLED * 3.00 / 1e6
BASE_CALL = (PROMPT_TOKENS * 0.25 + OUTPUT_TOKENS * 1.50) / 1e6
TUNED_CALL = 1.1 * 1.5 * BASE_CALL
"""US dollars on gemini-3.1-flash-lite; tuned ones answer outside the global location."""


def dollars(arm: ArmResult) -> dict[str, float | None]:
    return {item.what: item.usd for item in arm.spent}


def test_what_was_paid_for_stands_in_the_result(shop: Shop) -> None:
    result = shop.run().result
    assert [arm.status for arm in result.arms] == ["done"] * 3
    zero_shot, small, large = result.arms
    assert dollars(zero_shot) == {"baseline test": pytest.approx(12 * BASE_CALL)}
    for arm in (small, large):
        paid = dollars(arm)
        assert paid["tuning"] == pytest.approx(JOB)
        assert paid["test"] == pytest.approx(12 * TUNED_CALL)
        assert sum(item.usd or 0 for item in arm.spent if item.what == "validation") == (
            pytest.approx(2 * 6 * TUNED_CALL)
        )
        assert all(item.settled for item in arm.spent)


def test_running_again_pays_nothing(shop: Shop) -> None:
    shop.run()
    bought, ledger = shop.bought(), shop.sweep().ledger
    before = ledger.spendings()
    assert shop.run().fresh is False
    assert shop.bought() == bought
    assert ledger.spendings() == before


def test_a_lost_store_pays_for_no_job_twice(shop: Shop) -> None:
    import shutil

    shop.run()
    ledger = shop.sweep().ledger
    before = {item.label: item for item in ledger.spendings() if item.what == "tuning"}
    shutil.rmtree(shop.folder / "runs" / "store")
    shop.run("suite.metrics=[{kind: exact_match}]", "suite.primary=exact_match")
    after = {item.label: item for item in ledger.spendings() if item.what == "tuning"}
    assert after == before, "the jobs were found again, and are on record once"
    assert len(shop.bought()["jobs"]) == 2


@pytest.mark.parametrize("cap", ["arm", "experiment", "month"])
def test_a_cap_refuses_before_anything_is_bought(shop: Shop, cap: str) -> None:
    with pytest.raises(BudgetError, match=rf"budget\.{cap}=0\.0001: .* may cost up to") as caught:
        shop.run(f"budget.{cap}=0.0001")
    assert f"type: budget.{cap}=" in str(caught.value)
    assert caught.value.exit_code == 4
    assert shop.bought() == {"jobs": [], "calls": []}


def test_every_cap_that_is_passed_is_named_at_once(shop: Shop) -> None:
    with pytest.raises(BudgetError) as caught:
        shop.run("budget.arm=0.0001", "budget.experiment=0.0001", "budget.month=0.0001")
    for cap in ("arm", "experiment", "month"):
        assert f"budget.{cap}=0.0001" in str(caught.value)


def test_the_cap_that_is_told_to_type_is_enough(shop: Shop) -> None:
    with pytest.raises(BudgetError) as caught:
        shop.run("budget.experiment=0.0001")
    (typed,) = [
        word
        for word in str(caught.value).split()
        if word.startswith("budget.") and not word.endswith(":")
    ]
    # The service bills more than its rows have tokens for, so the cap is passed while it runs.
    first = shop.run(typed).result
    assert shop.bought()["jobs"], "submitted"
    assert "failed" in {arm.status for arm in first.arms}


def test_a_cap_passed_while_running_stops_all_arms_and_loses_nothing(shop: Shop) -> None:
    stopped = shop.run("budget.experiment=7").result
    states = {arm.name: arm.status for arm in stopped.arms}
    assert states == {"zero-shot": "done", "8 rows": "done", "16 rows": "failed"}
    failed = stopped.arms[-1]
    assert failed.exit_code == 4
    assert "budget.experiment=7" in failed.error
    assert "budget.experiment=18" in failed.error or "type:" in failed.error
    bought = shop.bought()
    result = shop.run("budget.experiment=100").result
    assert [arm.status for arm in result.arms] == ["done"] * 3
    assert result.digest == stopped.digest, "a cap is no part of what an arm is"
    after = shop.bought()
    assert len(set(after["jobs"])) == len(after["jobs"]) == 2
    assert after["calls"][: len(bought["calls"])] == bought["calls"]
    assert len(after["calls"]) == 12 + 2 * (2 * 6 + 12)


def test_another_experiment_of_the_month_counts(shop: Shop) -> None:
    shop.run()
    with pytest.raises(BudgetError, match=r"12\.\d\d USD are spent or held back of this calendar"):
        shop.run("name=other", "seed=3", "budget.month=12")
    assert shop.run("name=third", "seed=4", "budget.experiment=100").result.arms


def test_a_new_form_of_the_experiment_has_the_same_purse(shop: Shop) -> None:
    shop.run()
    with pytest.raises(BudgetError, match=r"12\.\d\d USD are spent .* experiments of this name"):
        shop.run("seed=3", "budget.experiment=12")


def test_a_failed_job_gives_back_what_was_held(shop: Shop) -> None:
    result = shop.run("backend.options={fail: true}").result
    assert [arm.status for arm in result.arms] == ["done", "failed", "failed"]
    assert {item.what for item in shop.sweep().ledger.spendings()} == {"baseline test"}


def test_an_unknown_price_is_refused_only_under_a_cap(shop: Shop) -> None:
    with pytest.raises(BudgetError, match=r"model\.prices\.train is null.*budget\.month cannot"):
        shop.run("model.prices.train=null", "budget.month=100")
    result = shop.run("model.prices.train=null").result
    assert dollars(result.arms[-1])["tuning"] is None
    assert dollars(result.arms[-1])["test"] == pytest.approx(12 * TUNED_CALL)


def test_the_command_exits_with_4_and_one_sentence(shop: Shop) -> None:
    said = sft(shop.folder, "run", "tiny.yaml", *PAID, "budget.arm=0.0001")
    assert said.returncode == 4, said.stderr
    assert "budget.arm=0.0001" in said.stderr
    assert "Traceback" not in said.stderr
