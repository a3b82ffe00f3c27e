"""What putting requests to a model comes to, before any is: calls and estimated tokens."""

from __future__ import annotations

from collections.abc import Sequence

from runner.money import Band, Calls, by_batch, total
from runner.records import Example, Origin, Request, Turn

NOWHERE = Origin("", 0)


def count(request: Request) -> tuple[int, int]:
    """Fewest and most tokens of a prompt, as the data's own counts are estimated."""
    from runner.prepare.tokens import estimate, file_tokens, texts

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
