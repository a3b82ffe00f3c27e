"""How a stage says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where a stage reports how far it is; the command line shows it as a bar."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def quiet(done: float, total: float, note: str = "") -> None:
    """The progress of someone who does not look."""
