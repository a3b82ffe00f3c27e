"""Token counts: exact where the backend has the tokenizer, a banded estimate for Gemini."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence

from runner.prepare.file_tokens import band
from runner.records import Example, Turn, parts_text
from runner.records.summaries import SplitTokens, Spread

TokenCounter = Callable[[Sequence[Example]], list[tuple[int, int]] | None]
"""Examples to (prompt, target) token counts; None when it cannot count."""

LOW, HIGH = 5, 3
"""ASCII characters a token, at most and at least. Google's rule of thumb is 4; the band covers
prose (nearer 5) and JSON or code (nearer 3). Any other character is 1/LOW to 1 token."""


def texts(example: Example) -> tuple[str, str]:
    """Everything in front of the answer as one text (files left out), and the answer."""
    turns = [_without_files(turn) if turn.parts else turn.text for turn in example.contents]
    heads = [example.system] if example.system else []
    if tools := example.extras.get("tools"):
        heads.append(json.dumps(tools, ensure_ascii=False))
    return "\n".join([*heads, *turns]), example.target


def file_tokens(example: Example) -> tuple[int, int]:
    """Fewest and most tokens of the example's files."""
    files = [p["fileData"] for t in example.contents for p in t.parts if "fileData" in p]
    bands = list(map(band, files))
    return sum(low for low, _ in bands), sum(high for _, high in bands)


def _without_files(turn: Turn) -> str:
    return parts_text(part for part in turn.parts if "fileData" not in part)


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
        for bounds, example in zip(bands, examples, strict=True):
            if any(turn.parts for turn in example.contents):
                low, high = file_tokens(example)
                bounds[0] = (bounds[0][0] + low, bounds[0][1] + high)
        lows = [prompt[0] + target[0] for prompt, target in bands]
        highs = [prompt[1] + target[1] for prompt, target in bands]
        counted = self._count(examples) if pairs else None
        self.exact = counted is not None if pairs else self.exact
        counts = counted or [(prompt[1], target[1]) for prompt, target in bands]
        self._last = list(zip(counts, lows, highs, strict=True))
        if counted is None:
            return [(least, least, most) for least, most in zip(lows, highs, strict=True)]
        totals = [prompt + target for prompt, target in counts]
        return list(zip(totals, lows, highs, strict=True))

    def keep(self, at: int) -> None:
        """Count example `at` of the last batch in."""
        (prompt, target), low, high = self._last[at]
        self._prompt.append(prompt)
        self._target.append(target)
        self._low += low
        self._high += high

    def summary(self) -> SplitTokens:
        """Totals of one pass over the rows, and how they are spread."""
        total = sum(self._prompt) + sum(self._target)
        return SplitTokens(
            exact=total if self.exact or not self._prompt else None,
            low=self._low,
            high=self._high,
            prompt=Spread.of(self._prompt),
            target=Spread.of(self._target),
        )
