"""What is bought, what is refused and what goes on record, through whole runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import BudgetError
from runner.records import Prediction
from runner.records.results import ArmResult, Spending, Spent
from runner.store.ledger import Ledger, now_ms
from tests.acceptance.tiny import sft
from tests.money.conftest import PAID, Shop
from tests.money.paid import BILLED, OUTPUT_TOKENS, PROMPT_TOKENS

NOW = now_ms()
MARCH = 1_772_400_000_000
"""In 2026, in Unix milliseconds."""
JOB = BILLED * 3.00 / 1e6
BASE_CALL = (PROMPT_TOKENS * 0.25 + OUTPUT_TOKENS * 1.50) / 1e6
TUNED_CALL = 1.1 * 1.5 * BASE_CALL
"""US dollars on gemini-3.1-flash-lite; tuned ones answer outside the global location."""


KILLED = """
import os, signal, sys
from runner.cli import main
from runner.inference.cache import Writer

left, put = int(sys.argv[1]), Writer.put

def killing(self, *given):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    put(self, *given)

Writer.put = killing
main(sys.argv[2:])
"""


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


def test_a_lost_connection_keeps_what_is_held_until_the_bill_comes(shop: Shop) -> None:
    marker = shop.folder / "runs" / "lose"
    marker.parent.mkdir()
    marker.touch()
    lost = shop.run().result
    assert [arm.status for arm in lost.arms] == ["done", "incomplete", "incomplete"]
    ledger = shop.sweep().ledger
    held = [item for item in ledger.spendings() if item.what == "tuning"]
    assert [item.settled for item in held] == [False, False], "the jobs may be running"
    assert all(item.usd for item in held)
    assert [arm.usd for arm in lost.arms[1:]] == [None, None], "nothing is billed yet"
    marker.unlink()
    assert [arm.status for arm in shop.run().result.arms] == ["done"] * 3
    bills = [item for item in ledger.spendings() if item.what == "tuning"]
    assert [(item.settled, item.usd) for item in bills] == [(True, pytest.approx(JOB))] * 2
    assert len(shop.bought()["jobs"]) == 2


@pytest.mark.parametrize("kept", [0, 1, 7])
def test_a_kill_while_answers_are_kept_loses_no_payment(shop: Shop, kept: int) -> None:
    """The process dies by SIGKILL as it stores an answer: that answer is lost and paid for
    again, and the ledger knows every call that the service answered."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(kept), "run", "tiny.yaml", *PAID],
        cwd=shop.folder,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    ledger = shop.sweep().ledger
    calls = len(shop.bought()["calls"])
    assert calls >= kept + 1
    assert _answers_paid(ledger) == calls * (PROMPT_TOKENS + OUTPUT_TOKENS)
    assert [arm.status for arm in shop.run().result.arms] == ["done"] * 3
    calls = len(shop.bought()["calls"])
    assert _answers_paid(ledger) == calls * (PROMPT_TOKENS + OUTPUT_TOKENS)


def _answers_paid(ledger: Ledger) -> int:
    return sum(item.tokens for item in ledger.spendings() if item.what != "tuning")


@pytest.mark.parametrize("taken", [1, 7, 20, 45])
def test_answers_that_were_taken_are_paid_for_when_the_taker_stops(shop: Shop, taken: int) -> None:
    sweep = shop.sweep()
    sweep.ledger.begin(sweep.result)
    account = sweep.runs[sweep.arms[0].digest].account
    closed: list[bool] = []

    def service() -> Iterator[Prediction]:
        try:
            for number in range(100):
                yield Prediction(str(number), "", prompt_tokens=1000, output_tokens=100)
        finally:
            closed.append(True)

    paying = account.paying("label", "baseline test", service(), tuned=False, requests=100)
    for _ in range(taken):
        next(paying)
    paying.close()  # type: ignore[attr-defined]
    (item,) = sweep.ledger.spendings()
    assert item.tokens == taken * 1100
    assert item.usd == pytest.approx(taken * BASE_CALL)
    assert closed, "the service stops working on answers nobody takes"


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


def test_a_rehearsal_has_an_account_of_its_own(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    base = {"label": "a", "what": "test", "experiment": "e", "arm": "m", "tokens": 10, "ms": NOW}
    ledger.add_spending(Spending(**base, usd=3.0, rehearsal=True))
    ledger.add_spending(Spending(**{**base, "label": "b"}, usd=1.0))
    assert ledger.spent("", "m").arm == 1.0
    assert ledger.spent("", "m", rehearsal=True).arm == 3.0


def test_two_runs_at_once_cannot_both_take_the_last_dollars(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def take(number: int) -> bool:
        item = Spending(
            label=f"job {number}",
            what="tuning",
            experiment="e",
            arm="m",
            tokens=1,
            usd=3.0,
            ms=NOW,
        )

        def judge(spent: Spent) -> None:
            if spent.month + 3.0 > 10.0:
                raise BudgetError("too much")

        try:
            ledger.hold(item, "", judge)
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(16)))
    assert sum(taken) == 3
    assert ledger.spent("", "m").month == 9.0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**6)), max_size=12))
@settings(max_examples=25)
def test_settling_again_changes_nothing(bills: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        last: dict[str, float] = {}
        for label, tokens in bills:
            item = Spending(
                label=label,
                what="tuning",
                experiment="e",
                arm="m",
                tokens=tokens,
                usd=tokens * 3e-6,
                ms=NOW,
            )
            ledger.settle(item)
            ledger.settle(item)
            last[label] = item.usd or 0.0
        assert ledger.spent("", "m").month == pytest.approx(sum(last.values()))
        assert len(ledger.spendings()) == len(last)


def test_the_month_is_that_of_the_submit(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    long_ago = Spending(
        label="a", what="tuning", experiment="e", arm="m", tokens=1, usd=5.0, ms=MARCH
    )
    ledger.hold(long_ago, "", lambda spent: None)
    ledger.settle(long_ago.model_copy(update={"usd": 4.0, "ms": NOW}))
    spent = ledger.spent("", "m")
    assert (spent.arm, spent.month) == (4.0, 0.0)
