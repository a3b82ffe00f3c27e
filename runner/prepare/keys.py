"""What counts as the same input: its normalised text, and 64 bits that stand for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b

from runner.normalize import normalize
from runner.records import Row

SEPARATOR = "\x1f"


def input_text(row: Row, steps: Sequence[str]) -> str:
    """The normalised input: columns in name order, or system instruction and turns.

    A text of which `steps` leave nothing (an emoji, a row of dots) is compared to the letter.
    """
    clear: Callable[[str], str] = partial(_normalised, steps)
    if row.history:
        return SEPARATOR.join(map(clear, (row.system, *(turn.text for turn in row.history))))
    if len(row.fields) == 1:
        (text,) = row.fields.values()
        return clear(text)
    return SEPARATOR.join(clear(row.fields[name]) for name in sorted(row.fields))


def asked_text(row: Row, steps: Sequence[str]) -> str:
    """What the user says in a conversation, normalised: no system instruction, no answers."""
    said = (turn.text for turn in row.history if turn.role == "user")
    return SEPARATOR.join(_normalised(steps, text) for text in said)


def hash64(text: str) -> int:
    """64 bits of BLAKE2b. Two different texts among a million meet with a chance of 3e-8."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _normalised(steps: Sequence[str], text: str) -> str:
    return normalize(text, steps) or text
