"""What putting texts to a model comes to, before any is: calls and estimated tokens."""

from __future__ import annotations

from collections.abc import Sequence

from runner.money import Band, Calls, by_batch, total
from runner.records import Request


def text_calls(
    what: str, requests: Sequence[Request], most: int, batch_from: int | None = None
) -> Calls:
    """Calls of the untuned model, one a request of one turn, with answers of at most `most`
    tokens each."""
    from runner.prepare.tokens import estimate

    count = len(requests)
    return Calls(
        "prepare",
        what,
        Band(count, count),
        total(Band(*estimate(request.contents[0].text)) for request in requests),
        Band(0, most * count),
        tuned=False,
        batch=by_batch(batch_from, count, tuned=False),
    )
