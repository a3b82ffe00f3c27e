"""What of ours is on a service: noted when it is put there, looked up before it is needed."""

from __future__ import annotations

from pathlib import Path

from runner.backends.protocol import Backend, Uploader
from runner.errors import BackendError
from runner.ledger import Ledger
from runner.records import Checkpoint


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
