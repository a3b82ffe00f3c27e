"""Checkpoints on disk: which ones are whole, which one to resume from.

The trainer writes a checkpoint's files in place, so a kill can leave a torn folder. Once all
files are there, `seal` adds a marker with every file's size and digest; a folder without a
marker, or whose files do not match it, is not a checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from runner.base.files import replace_text
from runner.manifest import damage_of, facts_of

MARKER = "complete.json"
RESUME_ONLY = ("optimizer.pt", "scheduler.pt", "training_args.bin")
"""Files that only resuming needs (and every ``rng_state*``)."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A sealed checkpoint: `eval_loss` is nan without a validation set."""

    path: Path
    step: int
    epoch: float
    eval_loss: float


def seal(folder: Path, step: int, epoch: float, eval_loss: float) -> None:
    """Declare the folder whole. Its files reach the disk before the marker does."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER]
    for path in files:
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    facts = {name: fact for name, fact in facts_of(folder).items() if name != MARKER}
    marker = {"step": step, "epoch": epoch, "eval_loss": eval_loss, "files": facts}
    replace_text(folder / MARKER, json.dumps(marker, indent=1))


def sealed(checkpoints: Path) -> list[Saved]:
    """The checkpoints whose adapter is whole, by step."""
    found = [_read(folder, resume=False) for folder in checkpoints.glob("checkpoint-*")]
    return sorted((saved for saved in found if saved), key=lambda saved: saved.step)


def sweep_torn(checkpoints: Path) -> Saved | None:
    """Delete what cannot be resumed from and came after the newest that can; return that one.

    Older checkpoints stay as long as their adapter is whole.
    """
    newest: Saved | None = None
    for folder in checkpoints.glob("checkpoint-*"):
        saved = _read(folder, resume=True)
        if saved and (newest is None or saved.step > newest.step):
            newest = saved
    for folder in list(checkpoints.glob("checkpoint-*")):
        adapter = _read(folder, resume=False)
        if adapter is None or newest is None or adapter.step > newest.step:
            shutil.rmtree(folder)
    return newest


def thin(checkpoints: Path, keep: int) -> None:
    """Drop the resume-only files (two thirds of the size) of all but the newest `keep`."""
    for saved in sealed(checkpoints)[: -keep or None]:
        for path in saved.path.iterdir():
            if _resume_only(path.name):
                path.unlink()


def _read(folder: Path, *, resume: bool) -> Saved | None:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        facts = {
            # An older version kept sizes only.
            name: (fact, "") if isinstance(fact, int) else (fact[0], fact[1])
            for name, fact in marker["files"].items()
        }
        saved = Saved(folder, marker["step"], marker["epoch"], marker["eval_loss"])
    except (FileNotFoundError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    wanted = {name: fact for name, fact in facts.items() if resume or not _resume_only(name)}
    return None if damage_of(folder, wanted, contents=True) else saved


def _resume_only(name: str) -> bool:
    return name in RESUME_ONLY or name.startswith("rng_state")
