"""What the data stages are given besides their settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.config import Prepare
from runner.records import FaultLog, Row


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Where new training rows come from."""

    prepare: Prepare
    """What makes them (`augment`), and what holds them against evaluation rows (`leakage`)."""
    reworded: Path | None = None
    """Answers of a model, lines of ``id`` and ``text``."""


NOTHING_NEW = Augmentation(Prepare())

Reader = Callable[[FaultLog], Iterator[Row] | None]
"""Opens the rows of a split; None when the source does not give it."""
