"""Token counts: exact where the backend has the tokenizer, a banded estimate for Gemini."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner.prepare.spread import spread
from runner.records import Example

if TYPE_CHECKING:
    from runner.prepare import TokenCounter

LOW, HIGH = 5, 3
"""ASCII characters a token, at most and at least. Google's rule of thumb is 4; the band covers
prose (nearer 5) and JSON or code (nearer 3). Any other character is 1/LOW to 1 token."""


def texts(example: Example) -> tuple[str, str]:
    """Everything in front of the answer as one text, and the answer."""
    turns = [turn.text for turn in example.contents]
    return "\n".join([example.system, *turns] if example.system else turns), example.target


def estimate(text: str) -> tuple[int, int]:
    """Fewest and most Gemini tokens of a text."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    other = len(text) - plain
    return -(-len(text) // LOW), -(-plain // HIGH) + other


class TokenTally:
    """Token counts of one split's rows, four or six numbers a row."""

    def __init__(self, count: TokenCounter) -> None:
        self._count = count
        self.exact: bool | None = None
        """Whether the backend can count; None before the first row."""
        self._prompt, self._target = array("q"), array("q")
        self._low, self._high = 0, 0

    def measure(self, examples: Sequence[Example]) -> list[tuple[int, int, int]]:
        """Per example: (tokens for the limit, fewest, most), prompt and answer together. The
        first is exact, or the fewest it can be."""
        pairs = [texts(example) for example in examples]
        bands = [[estimate(text) for text in pair] for pair in pairs]
        low = [prompt[0] + target[0] for prompt, target in bands]
        high = [prompt[1] + target[1] for prompt, target in bands]
        counted = self._count(examples) if pairs else None
        self.exact = counted is not None if pairs else self.exact
        counts = counted or [(prompt[1], target[1]) for prompt, target in bands]
        self._last = list(zip(counts, low, high, strict=True))
        if counted is None:
            return [(least, least, most) for least, most in zip(low, high, strict=True)]
        totals = [prompt + target for prompt, target in counts]
        return list(zip(totals, low, high, strict=True))

    def keep(self, at: int) -> None:
        """Count example `at` of the last batch in."""
        (prompt, target), low, high = self._last[at]
        self._prompt.append(prompt)
        self._target.append(target)
        self._low += low
        self._high += high

    def summary(self) -> dict[str, Any]:
        """Totals of one pass over the rows, and how they are spread. `exact` is None where
        only an estimate is possible; the spread is then of the upper estimate."""
        total = sum(self._prompt) + sum(self._target)
        return {
            "exact": total if self.exact or not self._prompt else None,
            "low": self._low,
            "high": self._high,
            "prompt": spread(self._prompt),
            "target": spread(self._target),
        }
