"""Putting a question to a model: each request once, on record as paid before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runner.experiment.context import RunContext
from runner.inference import Question
from runner.money import Purse, Rates
from runner.records import Prediction, Request

Generate = Callable[[Sequence[Request]], Iterator[Prediction]]


@dataclass(frozen=True, slots=True)
class Bill:
    """What answers go on record as."""

    label: str
    what: str
    tuned: bool = False
    rates: Rates | None = None
    """Of another model than the arm's."""


def paid_answers(
    context: RunContext,
    account: Purse,
    question: Question,
    bill: Bill,
    generate: Generate,
    watch: str,
) -> list[Prediction]:
    """One answer a request, in their order. `generate` is asked for those that nobody has been
    asked before; a runner that is killed asks for the rest.

    Raises BudgetError when a cap is passed, after the answers before were kept.
    """
    from runner.inference import PredictionCache, predict

    def pay(answers: Iterator[Prediction], number: int) -> Iterator[Prediction]:
        return account.paying(
            bill.label, bill.what, answers, tuned=bill.tuned, requests=number, rates=bill.rates
        )

    cache, seen = PredictionCache(context.answers), context.watch(watch)
    return predict(
        question.requests, generate, cache, question.model, question.generation, seen, pay
    )
