"""What all arms of a run share: where things are kept, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.ledger import Ledger
from runner.records import CurvePoint, Progress
from runner.store import Store

Watch = Callable[[str], Progress]
"""Makes a progress bar for a stage by its name."""


@dataclass(frozen=True)
class RunContext:
    """What all arms of a run share: the store, the ledger, who watches."""

    home: Path
    store: Store
    ledger: Ledger
    watch: Watch
    listen: Callable[[Sequence[CurvePoint]], None]
    slots: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while a tuning job is under way: no more of them at a time than a service takes."""

    @property
    def known_digests(self) -> Path:
        """Digests of files by size and time, so that none is read without need."""
        return self.home / "source_digests.json"

    @property
    def answers(self) -> Path:
        """Every answer that was ever given, by what was asked of whom."""
        return self.home / "predictions.db"
