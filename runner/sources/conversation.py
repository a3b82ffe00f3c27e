"""What a row that arrives as turns is read into, and how it says that it is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.records import Turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """System instruction and turns, the answer last."""

    system: str
    turns: tuple[Turn, ...]
    rejected: str = ""
    """The worse of two answers, for preference tuning."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """``tools``, ``toolConfig`` and ``generationConfig``, in Gemini's spelling."""


class BadTurns(Exception):
    """A row that is no conversation: rule, message and the place in the row."""


def entries(value: Any, place: str) -> Sequence[Any]:
    """A list with something in it. Raises BadTurns."""
    if not isinstance(value, list) or not value:
        raise BadTurns("bad_turns", "a list with at least one entry is expected", place)
    return value


def check_order(turns: Sequence[Turn]) -> None:
    """User and model take turns, the user begins and the model has the last word. Raises
    BadTurns."""
    for at, turn in enumerate(turns):
        expected = "model" if at % 2 else "user"
        if turn.role != expected:
            place = f"turn {at + 1}"
            raise BadTurns("bad_order", f"{turn.role} where {expected} is expected", place)
    if len(turns) % 2 or not turns:
        raise BadTurns("bad_order", "the last turn has to be the model's answer", "")
    if not turns[-1].text.strip():
        raise BadTurns("empty_target", "there is no answer", "")
    if not turns[-2].text.strip():
        raise BadTurns("empty_input", "the last user turn is empty", "")
