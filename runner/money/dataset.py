"""How many tokens of a dataset are billed for one pass over it.

Google does not say which turns of a conversation are trained on Gemini 2.5 and 3 (read
2026-11-22), so both readings are counted:

- *last turn*: each row is one record, all of it, once;
- *every turn*: each model turn is a record of its own, in front of it everything said before,
  which grows with the square of the number of turns. So Google's own cost notebook for Gemini 1.5
  counts ("vertexai_supervised_tuning_token_count_and_cost_estimation", removed 2025-03), with
  about 8 tokens of padding for each record.

Preference tuning is documented: twice the prompt, and both completions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from runner.money.band import Band
from runner.records import Example, Request, Turn

PADDING = 8
"""Tokens the service may add to a record."""

Count = Callable[[Request], tuple[int, int]]
"""Fewest and most tokens of a system instruction and turns."""


@dataclass(frozen=True, slots=True)
class DatasetTokens:
    """Billed tokens of one pass, by either reading. The upper bounds include padding."""

    last_turn: Band
    every_turn: Band

    def __add__(self, other: DatasetTokens) -> DatasetTokens:
        return DatasetTokens(self.last_turn + other.last_turn, self.every_turn + other.every_turn)

    @property
    def band(self) -> Band:
        """From the cheaper reading to the dearer one."""
        return Band(self.last_turn.low, self.every_turn.high)


def dataset_tokens(examples: Iterable[Example], count: Count) -> DatasetTokens:
    """Tokens of the rows, preference rows (those with a worse answer as well) by their rule."""
    totals = DatasetTokens(Band(), Band())
    for example in examples:
        totals += _preference(example, count) if example.rejected else _supervised(example, count)
    return totals


def _supervised(example: Example, count: Count) -> DatasetTokens:
    turns = [*example.contents, Turn("model", example.target)]
    records = [
        _record(example, turns[:at], turn.text, count)
        for at, turn in enumerate(turns)
        if turn.role == "model"
    ]
    every = Band(sum(low for low, _ in records), sum(high for _, high in records))
    return DatasetTokens(Band(*records[-1]), every)


def _record(example: Example, before: Sequence[Turn], reply: str, count: Count) -> tuple[int, int]:
    """Fewest and most tokens of one reply with all that stands before it."""
    prompt, answer = _prompt(example, before, count), count(Request("", (Turn("model", reply),)))
    return prompt[0] + answer[0], prompt[1] + answer[1] + PADDING


def _preference(example: Example, count: Count) -> DatasetTokens:
    prompt = _prompt(example, example.contents, count)
    answers = [
        count(Request("", (Turn("model", text),))) for text in (example.target, example.rejected)
    ]
    low = 2 * prompt[0] + sum(answer[0] for answer in answers)
    high = 2 * prompt[1] + sum(answer[1] for answer in answers) + 2 * PADDING
    return DatasetTokens(Band(low, high), Band(low, high))


def _prompt(example: Example, before: Sequence[Turn], count: Count) -> tuple[int, int]:
    return count(Request(example.id, tuple(before), example.system, example.extras))
