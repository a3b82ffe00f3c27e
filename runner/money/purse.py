"""One arm's purse: nothing is bought without it, and every purchase is written down.

A tuning job is held against the caps before it is submitted and settled by its bill; answers are
paid one by one and written down in small batches, each after the answer itself is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from runner.config import Budget, GeminiModel
from runner.money.budget import limited, refuse_estimate, refuse_passed, refuse_unknown
from runner.money.price import Price
from runner.money.rates import answer_rates, by_batch, train_rate
from runner.records import Prediction
from runner.results import Spending, Spent

CALLS_AT_ONCE = 20
SECONDS_AT_MOST = 2.0
"""How many calls, or how long, may pass before they are written down."""

TUNING = "tuning"


class Accounts(Protocol):
    """What a purse needs of the ledger."""

    def hold(self, item: Spending, name: str, judge: Callable[[Spent], None]) -> None: ...
    def settle(self, item: Spending) -> None: ...
    def release(self, label: str) -> None: ...
    def add_spending(self, item: Spending) -> None: ...
    def spent(self, name: str, arm: str) -> Spent: ...
    def spendings(self, labels: Sequence[str] | None = None) -> list[Spending]: ...


@dataclass
class Purse:
    """The money of one arm. Every method does nothing for a model that has no price."""

    accounts: Accounts
    model: GeminiModel | None
    """None where nothing has a price (a model on this machine)."""
    budget: Budget
    name: str
    """The experiment's."""
    experiment: str
    """Its digest."""
    arm: str
    """The arm's digest."""
    batch_from: int | None = None
    """As `backend.batch_from`."""
    price: Price = field(default_factory=Price)
    """What the arm was estimated to cost before it began; see `expect`."""
    used: set[str] = field(default_factory=set)
    """Labels of everything the arm's results rest on."""

    @classmethod
    def empty(cls, accounts: Accounts) -> Self:
        """A purse for work that costs nothing."""
        return cls(accounts, None, Budget(), "", "", "")

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
        everything = self.price.usd
        if everything is None or train_rate(self.model) is None:
            refuse_unknown(self.budget, self.model.id)
        train = [part for part in self.price.parts if part.group == "train"]
        high = sum(part.usd.high for part in train if part.usd is not None)
        tokens = round(sum(part.tokens.high for part in train))
        more = dict.fromkeys(("arm", "experiment", "month"), everything.high if everything else 0.0)

        def judge(spent: Spent) -> None:
            refuse_estimate(self.budget, spent, more, "this arm")

        item = self._item(label, TUNING, tokens, high if everything else None)
        self.accounts.hold(item, self.name, judge)

    def settle(self, label: str, tokens: int) -> None:
        """Write down what the job was billed for: `tokens` of all epochs."""
        if self.model is None:
            return
        rate = train_rate(self.model)
        self.accounts.settle(
            self._item(label, TUNING, tokens, None if rate is None else tokens * rate)
        )

    def release(self, label: str) -> None:
        """The job ended without a bill."""
        if self.model is not None:
            self.accounts.release(label)

    def paying(
        self, label: str, what: str, answers: Iterator[Prediction], *, tuned: bool, requests: int
    ) -> Iterator[Prediction]:
        """The answers to so many `requests`, each paid for when whoever takes them comes back
        for the next one, so that what is counted is also kept. Raises BudgetError when a cap
        is passed."""
        if self.model is None:
            yield from answers
            return
        batch = by_batch(self.batch_from, requests, tuned=tuned)
        meter = Meter(self, label, what, tuned=tuned, batch=batch)
        meter.check()
        try:
            for answer in answers:
                try:
                    yield answer
                finally:
                    meter.count(answer.prompt_tokens, answer.output_tokens)
                meter.check_now_and_then()
        finally:
            meter.write()
            close = getattr(answers, "close", None)
            if close is not None:
                close()
        meter.check()

    def paid(self) -> list[Spending]:
        """Everything the arm's results rest on, whoever paid for it."""
        return self.accounts.spendings(sorted(self.used)) if self.model else []

    def _item(self, label: str, what: str, tokens: int, dollars: float | None) -> Spending:
        return Spending(
            label=label,
            what=what,
            experiment=self.experiment,
            arm=self.arm,
            tokens=tokens,
            usd=dollars,
            ms=time.time_ns() // 1_000_000,
        )


class Meter:
    """Counts tokens of calls and writes them down now and then."""

    def __init__(self, purse: Purse, label: str, what: str, *, tuned: bool, batch: bool) -> None:
        assert purse.model is not None
        prompt, output = answer_rates(purse.model, tuned=tuned, batch=batch)
        self._rates = prompt.high, output.high
        self._purse, self._label, self._what = purse, label, what
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._written = time.monotonic()

    def count(self, prompt_tokens: int, output_tokens: int) -> None:
        """One call was made."""
        self._calls += 1
        self._tokens += prompt_tokens + output_tokens
        self._usd += prompt_tokens * self._rates[0] + output_tokens * self._rates[1]

    def write(self) -> None:
        """Put what was counted on record."""
        if not self._calls:
            return
        item = self._purse._item(self._label, self._what, self._tokens, self._usd)
        self._purse.accounts.add_spending(item)
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._written = time.monotonic()

    def check_now_and_then(self) -> None:
        """Write and check when enough calls, or enough time, have passed."""
        late = time.monotonic() - self._written > SECONDS_AT_MOST
        if self._calls >= CALLS_AT_ONCE or late:
            self.write()
            self.check()

    def check(self) -> None:
        """Raise BudgetError when more than a cap is gone."""
        purse = self._purse
        if limited(purse.budget):
            refuse_passed(purse.budget, purse.accounts.spent(purse.name, purse.arm))
