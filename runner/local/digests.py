"""SHA-256 of weight files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from runner.base.files import replace_text
from runner.errors import BackendError


def file_digest(path: Path, cache: Path) -> str:
    """SHA-256 of a file, remembered by its path, size and time of change."""
    stat = path.stat()
    key = f"{path}:{stat.st_size}:{stat.st_mtime_ns}"
    note = cache / "digests" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        return note.read_text(encoding="ascii")
    except FileNotFoundError:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        note.parent.mkdir(parents=True, exist_ok=True)
        replace_text(note, digest)
        return digest


def check_digest(path: Path, wanted: str) -> None:
    """Raise BackendError unless the file has this SHA-256."""
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != wanted:
        raise BackendError(
            f"{path.name} is not the file the config pins: its sha256 is {found}, "
            f"model.sha256 says {wanted}"
        )
