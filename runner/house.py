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
class House:
    """What all arms of a run share: the store, the ledger, who watches."""

    home: Path
    store: Store
    ledger: Ledger
    watch: Watch
    listen: Callable[[Sequence[CurvePoint]], None]
    turns: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while a tuning job is under way: no more of them at a time than a service takes."""
