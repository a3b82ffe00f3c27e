"""One arm's account: nothing is bought without it, and every purchase is written down.

A tuning job is held against the caps before it is submitted and settled by its bill; answers are
paid one by one, each written down before the answer itself is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from runner.config import Experiment
from runner.money.budget import (
    CAPS,
    CHEAPER,
    FEWER,
    KEPT,
    PAY,
    over_estimate,
    preparing,
    refuse,
    unknown,
    used_up,
)
from runner.money.price import Band, Calls, Price, answer_rates, by_batch, train_rate
from runner.records import Prediction
from runner.records.results import Spending, Spent

TUNING = "tuning"


class Accounts(Protocol):
    """What a account needs of the ledger."""

    def hold(self, item: Spending, name: str, check: Callable[[Spent], None]) -> None: ...
    def settle(self, item: Spending) -> None: ...
    def release(self, label: str) -> None: ...
    def spender(self) -> AbstractContextManager[Callable[[Spending], None]]: ...
    def spent(
        self, name: str, arm: str, besides: Sequence[str] = (), *, rehearsal: bool = False
    ) -> Spent: ...
    def spendings(self, labels: Sequence[str] | None = None) -> list[Spending]: ...


class Account:
    """The money of one arm. Every method does nothing for a model that has no price, unless it is
    told `rates`."""

    def __init__(self, accounts: Accounts, config: Experiment, experiment: str, arm: str) -> None:
        """`experiment` and `arm` are digests: who pays."""
        self.accounts = accounts
        self.model = config.model.priced
        self.budget, self.name = config.budget, config.name
        self.experiment, self.arm = experiment, arm
        self.batch_from = config.backend.batched_from
        self.rehearsal = config.backend.rehearsal
        self.price = Price()
        """What the arm was estimated to cost before it began; see `expect`."""
        self.used: set[str] = set()
        """Labels of everything the arm's results rest on."""
        self.shut = False
        """Whether nothing at all may be bought, as in `sft check` without ``--pay``."""

    def expect(self, price: Price) -> None:
        """Take note of the estimate that a submit is held against."""
        self.price = price

    def reserve(self, label: str) -> None:
        """Hold back the upper estimate of a tuning job, right before it is submitted.

        Raises BudgetError, and holds nothing, when it passes a cap together with what the arm's
        answers may cost, or when its price is not known and there is a cap.
        """
        if self.model is None:
            return
        model, everything = self.model, self.price.usd
        train = [part for part in self.price.parts if part.group == "train"]
        high = sum(part.usd.high for part in train if part.usd is not None)
        more = dict.fromkeys(CAPS, everything.high) if everything else {}

        def check(spent: Spent) -> None:
            missing = [] if everything else unknown(self.budget, model.name)
            refuse([*missing, *over_estimate(self.budget, spent, more, "this arm")], CHEAPER)

        tokens = round(sum(part.tokens.high for part in train))
        item = self._item(label, TUNING, tokens, high if everything else None)
        self.accounts.hold(item, self.name, check)

    def settle(self, label: str, tokens: int) -> None:
        """Write down what the job was billed for: `tokens` of all epochs."""
        if self.model is not None:
            rate = train_rate(self.model)
            dollars = None if rate is None else tokens * rate
            self.accounts.settle(self._item(label, TUNING, tokens, dollars))

    def release(self, label: str) -> None:
        """The job ended without a bill."""
        if self.model is not None:
            self.accounts.release(label)

    def allow(self, what: str, calls: Calls, rates: tuple[Band, Band] | None = None) -> None:
        """Hold the upper estimate of calls that prepare the data against the caps, before the
        first is made; `rates` as in `paying`.

        Raises BudgetError, with what they may cost, when a cap is passed or the account is shut.
        """
        if rates is None and self.model is not None:
            rates = answer_rates(self.model, tuned=calls.tuned, batch=calls.batch)
        if rates is None:
            return
        cost = calls.prompt * rates[0] + calls.output * rates[1]
        if self.shut:
            refuse([preparing(what, calls.requests.high, cost)], PAY)
        spent = self.accounts.spent(self.name, self.arm, rehearsal=self.rehearsal)
        refuse(over_estimate(self.budget, spent, dict.fromkeys(CAPS, cost.high), what), FEWER)

    def paying(
        self,
        label: str,
        what: str,
        answers: Iterator[Prediction],
        *,
        tuned: bool,
        requests: int,
        rates: tuple[Band, Band] | None = None,
    ) -> Iterator[Prediction]:
        """The answers to so many `requests`, each on record before it is passed on: a kill in
        between loses an answer, which is paid for again, never the record of a payment. `rates`
        are US dollars for a token of a prompt and of an answer, the model's by default. Raises
        BudgetError when a cap is passed, after the answers before were taken."""
        if rates is None and self.model is not None:
            batch = by_batch(self.batch_from, requests, tuned=tuned)
            rates = answer_rates(self.model, tuned=tuned, batch=batch)
        if rates is None:
            yield from answers
            return
        prompt, output = rates

        try:
            with self.accounts.spender() as spend:

                def write(tokens: int, dollars: float) -> None:
                    spend(self._item(label, what, tokens, dollars))

                meter = Meter(prompt.high, output.high, write, self._check)
                self._check()
                for answer in answers:
                    meter(answer.prompt_tokens, answer.output_tokens)
                    yield answer
                    meter.now_and_then()
        finally:
            _close(answers)

    def paid(self) -> list[Spending]:
        """Everything the arm's results rest on, whoever paid for it."""
        return self.accounts.spendings(sorted(self.used)) if self.used else []

    def _check(self) -> None:
        spent = self.accounts.spent(self.name, self.arm, rehearsal=self.rehearsal)
        refuse(used_up(self.budget, spent), KEPT)

    def _item(self, label: str, what: str, tokens: int, dollars: float | None) -> Spending:
        return Spending(
            label=label,
            what=what,
            experiment=self.experiment,
            arm=self.arm,
            tokens=tokens,
            usd=dollars,
            ms=time.time_ns() // 1_000_000,
            rehearsal=self.rehearsal,
        )


def _close(answers: Iterator[Prediction]) -> None:
    """Stop a backend that is still at work on answers nobody will take."""
    close = getattr(answers, "close", None)
    if close is not None:
        close()


# Counting what calls cost while they are made.

CALLS_AT_ONCE = 20
SECONDS_AT_MOST = 2.0
"""How many calls, or how long, may pass before the caps are looked at again."""


class Meter:
    """Puts every call on record as it comes in; `check` is asked now and then and may refuse."""

    def __init__(
        self,
        prompt_rate: float,
        output_rate: float,
        record: Callable[[int, float], None],
        check: Callable[[], None],
    ) -> None:
        """Rates are US dollars a token; `record` takes tokens and dollars of one call."""
        self._rates = prompt_rate, output_rate
        self._record, self._check = record, check
        self._calls = 0
        self._checked = time.monotonic()

    def __call__(self, prompt_tokens: int, output_tokens: int) -> None:
        """One call was made."""
        self._calls += 1
        usd = prompt_tokens * self._rates[0] + output_tokens * self._rates[1]
        self._record(prompt_tokens + output_tokens, usd)

    def now_and_then(self) -> None:
        """Look at the caps when enough calls, or enough time, have passed."""
        if self._calls >= CALLS_AT_ONCE or time.monotonic() - self._checked > SECONDS_AT_MOST:
            self._check()
            self._calls, self._checked = 0, time.monotonic()
