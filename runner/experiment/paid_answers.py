"""Putting a question to a model: each request once, on record as paid before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runner.experiment.context import RunContext
from runner.inference import Question
from runner.money import Account, Band, Calls, Rates, by_batch, total
from runner.records import Example, Origin, Prediction, Request, Turn

Generate = Callable[[Sequence[Request]], Iterator[Prediction]]


@dataclass(frozen=True, slots=True)
class BookingLabel:
    """What answers go on record as."""

    label: str
    what: str
    tuned: bool = False
    rates: Rates | None = None
    """Of another model than the arm's."""


def paid_answers(
    context: RunContext,
    account: Account,
    question: Question,
    bill: BookingLabel,
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


# What putting requests to a model comes to, before any is: calls and estimated tokens.

NOWHERE = Origin("", 0)


def count(request: Request) -> tuple[int, int]:
    """Fewest and most tokens of a prompt, as the data's own counts are estimated."""
    from runner.gemini_format.tokens import estimate, file_tokens, texts

    shown = Example("", request.contents, "", NOWHERE, request.system, extras=request.extras)
    said, files = estimate(texts(shown)[0]), file_tokens(shown)
    return said[0] + files[0], said[1] + files[1]


def count_text(text: str) -> tuple[int, int]:
    """Fewest and most tokens of a model's own words."""
    return count(Request("", (Turn("model", text),)))


def calls_of(
    group: str,
    what: str,
    requests: Sequence[Request],
    answers: Band,
    *,
    times: Band | None = None,
    tuned: bool = False,
    batch_from: int | None = None,
) -> Calls:
    """Calls of a model, one a request, all of them made `times` times (once by default);
    `answers` are the tokens of all answers of one time together."""
    often, number = times or Band(1.0, 1.0), len(requests)
    return Calls(
        group,
        what,
        often * number,
        total(Band(*count(request)) for request in requests) * often,
        answers * often,
        tuned=tuned,
        batch=by_batch(batch_from, number, tuned=tuned),
    )
