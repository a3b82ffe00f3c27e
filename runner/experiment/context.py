"""What all arms of a run share: where things are kept, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.backends.protocol import Backend, Uploader
from runner.base.errors import BackendError
from runner.records import Checkpoint, CurvePoint, Progress
from runner.store.artifacts import ArtifactStore
from runner.store.ledger import Ledger

if TYPE_CHECKING:
    from runner.evaluation import SelfScore

Watch = Callable[[str], Progress]
"""Makes a progress bar for a stage by its name."""


@dataclass(frozen=True)
class RunContext:
    """What all arms of a run share: the store, the ledger, who watches."""

    home: Path
    store: ArtifactStore
    ledger: Ledger
    watch: Watch
    listen: Callable[[Sequence[CurvePoint]], None]
    slots: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while a tuning job is under way: no more of them at a time than a service takes."""
    self_scores: dict[str, SelfScore] = field(default_factory=dict)
    """What came of scoring references against themselves, by the digest of rows and suite."""

    @property
    def known_digests(self) -> Path:
        """Digests of files by size and time, so that none is read without need."""
        return self.home / "source_digests.json"

    @property
    def answers(self) -> Path:
        """Every answer that was ever given, by what was asked of whom."""
        return self.home / "predictions.db"


# What of ours is on a service: noted when it is put there, looked up before it is needed.


def note_uploads(backend: Backend, ledger: Ledger, who: tuple[str, str], label: str) -> None:
    """Note the files that a backend put on a service to ask the questions called `label`; `who`
    are the digests of experiment and arm."""
    found = backend.uploads() if isinstance(backend, Uploader) else []
    if found:
        ledger.claim(*who, label)
        ledger.add_resources(label, found, anew=True)


def check_there(ledger: Ledger, label: str, checkpoint: Checkpoint, tuned: Path) -> None:
    """Raise BackendError when `sft clean` has deleted the checkpoint of the job called `label`,
    whose artifact is `tuned`."""
    for item in ledger.resources([label]):
        if item.name == checkpoint.path and item.deleted_ms:
            raise BackendError(
                f"new answers are wanted of checkpoint {checkpoint.id}, and sft clean has"
                f" deleted it ({item.name})\n  to tune it again, delete {tuned}"
            )
