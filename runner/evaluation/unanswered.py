"""Why a row has no usable answer, as far as the answer itself shows it.

An answer that was cut at the token limit is no answer, unless the suite's extraction found what it
looks for in it. A cut answer that only repeats itself at its end was looping: more tokens would
not have helped, which is worth another name.
"""

from __future__ import annotations

from runner.config import Suite
from runner.evaluation.extract import comparable, extracted_reference
from runner.records import Cause, Prediction

LOOPS = 4
"""So many repetitions at the end of a cut answer, over at least half of it, are a loop."""
LOOKED_AT = 4000
"""Characters of the end that are looked at; keeps hostile answers cheap."""


def cause_of(
    answer: Prediction, found: str | None, targets: tuple[str, ...], suite: Suite
) -> Cause | None:
    """The one cause that says most, None for a usable answer. `found` is what the suite extracts
    from the answer. An empty answer is right where one of the `targets` is, as it is compared.

    Raises ValueError for an answer that the service owes: that is nobody's wrong answer.
    """
    if answer.lost:
        raise ValueError(f"the service owes the answer to {answer.id}: {answer.error}")
    if answer.error:
        return answer.cause or None
    whole = suite.extract.kind == "none"
    if answer.finish == "length" and (whole or found is None):
        return "looping" if loops(answer.text) else "cut"
    if not answer.text.strip() and all(_compared(target, suite) for target in targets):
        return "empty"
    return "unparsable" if found is None else None


def _compared(target: str, suite: Suite) -> str:
    return comparable(extracted_reference(target, suite), suite).strip()


def loops(text: str) -> bool:
    """Whether the text ends in the same piece over and over."""
    end = text.strip()[-LOOKED_AT:]
    for size in range(1, len(end) // LOOPS + 1):
        span = max(LOOPS * size, len(end) // 2)
        # A text has the period `size` where it equals itself moved by it.
        if end[-span:-size] == end[len(end) - span + size :]:
            return True
    return False
